#include "hv/domain/table.hpp"

#include <bit>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t bits = 64;
static_assert(max_domains == bits * bits, "one summary word has a bit for each word of slots");

Domain* by_id[last_domain_id + 1];
Domain* by_slot[max_domains];
std::uint64_t used[bits];     // bit n of word w: slot 64 * w + n is taken
std::uint64_t words_used = 0; // bit w: word w has a taken slot
std::uint32_t next_id = 0;

std::uint32_t after(std::uint32_t id) { return id < last_domain_id ? id + 1 : 1; }

std::uint64_t from_bit(std::uint32_t n) { return n < bits ? ~std::uint64_t{0} << n : 0; }

} // namespace

Domain* find_domain(DomainId id) { return id.value() <= last_domain_id ? by_id[id.value()] : nullptr; }

Domain* next_domain(std::uint32_t slot) {
    if (slot >= max_domains)
        return nullptr;
    if (const auto here = used[slot / bits] & from_bit(slot % bits))
        return by_slot[slot / bits * bits + static_cast<std::uint32_t>(std::countr_zero(here))];
    const auto later = words_used & from_bit(slot / bits + 1);
    if (later == 0)
        return nullptr;
    const auto word = static_cast<std::uint32_t>(std::countr_zero(later));
    return by_slot[word * bits + static_cast<std::uint32_t>(std::countr_zero(used[word]))];
}

Result<Seat> free_seat() {
    std::uint32_t word = 0;
    while (word < bits && used[word] == ~std::uint64_t{0})
        ++word;
    if (word == bits)
        return fail(Error::no_space);
    while (by_id[next_id] != nullptr) // ends: there are more ids than slots
        next_id = after(next_id);
    return Seat{DomainId{static_cast<std::uint16_t>(next_id)},
                word * bits + static_cast<std::uint32_t>(std::countr_one(used[word]))};
}

void enter_domain(Domain& domain) {
    const auto slot = domain.sched.slot;
    by_slot[slot] = &domain;
    used[slot / bits] |= std::uint64_t{1} << slot % bits;
    words_used |= std::uint64_t{1} << slot / bits;
    by_id[domain.id.value()] = &domain;
    next_id = after(domain.id.value());
}

void remove_domain(const Domain& domain) {
    const auto slot = domain.sched.slot;
    by_id[domain.id.value()] = nullptr;
    by_slot[slot] = nullptr;
    used[slot / bits] &= ~(std::uint64_t{1} << slot % bits);
    if (used[slot / bits] == 0)
        words_used &= ~(std::uint64_t{1} << slot / bits);
}

} // namespace bulkhead::hv
