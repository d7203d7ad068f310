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
    [[nodiscard]] static DomainHold own(Domain& domain) { return DomainHold{&domain, false}; }
    DomainHold(DomainHold&& from) noexcept
        : domain_{std::exchange(from.domain_, nullptr)}, counted_{std::exchange(from.counted_, false)} {}
    DomainHold& operator=(DomainHold&& from) noexcept {
        std::swap(domain_, from.domain_);
        std::swap(counted_, from.counted_);
        return *this;
    }
    ~DomainHold() {
        if (counted_) [[unlikely]]
            release(*domain_);
    }

    [[nodiscard]] explicit operator bool() const { return domain_ != nullptr; }
    [[nodiscard]] Domain& operator*() const { return *domain_; }
    [[nodiscard]] Domain* operator->() const { return domain_; }

  private:
    friend DomainHold hold_domain(DomainId id);
    DomainHold(Domain* domain, bool counted) : domain_{domain}, counted_{counted} {}
    static void release(Domain& domain);

    Domain* domain_ = nullptr;
    bool counted_ = false;
};

// The domain with that id, dying ones included; empty if there is none.
[[nodiscard]] DomainHold hold_domain(DomainId id);

} // namespace bulkhead::hv
