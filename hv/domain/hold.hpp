// A domain that a call works on stays in existence for as long as the call needs it.
#pragma once

#include "abi/types.hpp"

#include <utility>

namespace bulkhead::hv {

struct Domain;

class DomainHold {
  public:
    DomainHold() = default;
    // The caller's own domain: it can't go while one of its vCPUs is in a call.
    [[nodiscard]] static DomainHold own(Domain& domain) { return DomainHold{&domain, nullptr}; }
    DomainHold(DomainHold&& from) noexcept
        : domain_{std::exchange(from.domain_, nullptr)}, counted_{std::exchange(from.counted_, nullptr)} {}
    DomainHold& operator=(DomainHold&& from) noexcept {
        std::swap(domain_, from.domain_);
        std::swap(counted_, from.counted_);
        return *this;
    }
    ~DomainHold() {
        if (counted_ != nullptr) [[unlikely]]
            release(*counted_);
    }

    [[nodiscard]] explicit operator bool() const { return domain_ != nullptr; }
    [[nodiscard]] Domain& operator*() const { return *domain_; }
    [[nodiscard]] Domain* operator->() const { return domain_; }

  private:
    friend DomainHold hold_domain(DomainId id);
    DomainHold(Domain* domain, Domain* counted) : domain_{domain}, counted_{counted} {}
    static void release(Domain& domain);

    Domain* domain_ = nullptr;
    Domain* counted_ = nullptr; // the same, if its count of holds is to be lowered
};

// The domain with that id, dying ones included; empty if there is none.
[[nodiscard]] DomainHold hold_domain(DomainId id);

} // namespace bulkhead::hv
