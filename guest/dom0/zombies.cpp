#include "guest/dom0/zombies.hpp"

#include "guest/dom0/control.hpp"
#include "guest/runtime/clock.hpp"
#include "guest/runtime/print.hpp"

#include <algorithm>
#include <span>

namespace bulkhead::dom0 {

void Zombies::add(DomainId dead) {
    dead_[count_++] = dead;
    due_ = std::min(due_, guest::now() + destroy_again);
}

void Zombies::destroy() {
    std::size_t left = 0;
    for (const DomainId dead : std::span{dead_}.first(count_)) {
        const auto done = destroy_domain(dead);
        if (!done && done.error() == guest::Error::busy)
            dead_[left++] = dead;
        else if (!done)
            guest::print("dom0: cannot destroy dead domain {}: {}\n", dead, done.error());
    }
    count_ = left;
    due_ = left != 0 ? guest::now() + destroy_again : GuestTime::never();
}

} // namespace bulkhead::dom0
