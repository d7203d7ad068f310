// Caps: in each period the vCPUs of a domain may run for its cap, per cent of one pCPU, and no longer. What
// they run beyond that is a debt to the next period, so that late timers and several pCPUs change nothing in
// the long run. This header never decides who runs.
#pragma once

#include "sched/contract.hpp"

#include <algorithm>

namespace bulkhead::sched {

// Base of the policy's own type. Means something only under a cap.
struct CappedDomain {
    Nanos allowance;        // what is left of this period
    std::int64_t period;    // of the allowance
    std::int64_t parked_in; // the period in which the cap held it back
    bool parked;            // held back
};

class Caps {
  public:
    explicit Caps(Nanos period) : period_{period} {}

    [[nodiscard]] std::int64_t period_at(RealTime now) const {
        return now.since_start().count() / period_.count();
    }
    [[nodiscard]] RealTime begin_of(std::int64_t period) const { return RealTime{} + period_ * period; }
    template<class D>
    [[nodiscard]] static bool holds_back(const D& domain) {
        return domain.cap != 0 && domain.allowance <= Nanos{};
    }
    // Begins the period in which `now` lies. Nothing is saved from one period to the next but `unbilled`, the
    // time that its vCPUs have run already.
    template<class D>
    void renew(D& domain, RealTime now, Nanos unbilled) const {
        const std::int64_t period = period_at(now);
        if (domain.cap == 0 || period == domain.period)
            return;
        const Nanos given = quota(domain) * (period - domain.period);
        domain.allowance = std::min(domain.allowance + given, quota(domain) + unbilled);
        domain.period = period;
    }
    // The cap has changed.
    template<class D>
    void restart(D& domain, RealTime now) const {
        domain.period = period_at(now);
        domain.allowance = quota(domain);
    }
    // The part of a slice that the cap allows. The domain is not held back.
    template<class D>
    [[nodiscard]] static Nanos slice(const D& domain, Nanos slice) {
        return domain.cap == 0 ? slice : std::max(std::min(slice, domain.allowance), least_slice);
    }
    // Idle while the caps hold back all that could run.
    [[nodiscard]] Decision idle(RealTime now) const {
        return {nullptr, std::max(begin_of(period_at(now) + 1) - now, least_slice)};
    }

  private:
    template<class D>
    [[nodiscard]] Nanos quota(const D& domain) const {
        return period_ * domain.cap / 100;
    }
    Nanos period_;
};

} // namespace bulkhead::sched
