// Changing how much memory a domain has, extent by extent.
#pragma once

#include "hv/calls/hypercall.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/guest_memory.hpp"
#include "hv/plugin/memory_policy.hpp"

extern "C" {
#include <xen/memory.h>
}

namespace bulkhead::hv {

// The memory policy's grants for one request: asked for in portions, and settled at its end.
class Grants {
  public:
    explicit Grants(Domain& owner) : owner_{owner} {}
    ~Grants() { memory_policy::settle(owner_, taken_ + left_); }
    Grants(const Grants&) = delete;
    Grants& operator=(const Grants&) = delete;

    // Whether the policy lets the domain have `frames` more now. `wanted`, not less, are all that the request
    // still wants.
    [[nodiscard]] bool cover(std::uint64_t frames, std::uint64_t wanted);
    void take(std::uint64_t frames) {
        taken_ += frames;
        left_ -= frames;
    }

  private:
    Domain& owner_;
    std::uint64_t taken_ = 0, left_ = 0; // of what was granted: told to the policy's host at the next chance
};

// One request, from extent `start` on. The three ways to run it stop at the first extent that can't be done,
// at the first that the memory policy does not grant, or with restart at a preemption point; done() tells how
// far they came.
class Reservation {
  public:
    Reservation(Domain& owner, const xen_memory_reservation_t& request, std::uint64_t start);

    // Frames for given pseudo-physical numbers: reads them from the guest's list and writes the machine's
    // there.
    [[nodiscard]] Result<> populate() { return take(&Reservation::populate_one); }
    // Frames without a number yet; the list, if there is one, is filled with the machine's numbers.
    [[nodiscard]] Result<> increase() { return take(&Reservation::increase_one); }
    // Gives the listed frames up.
    [[nodiscard]] Result<> decrease();
    [[nodiscard]] std::uint64_t done() const { return done_; }

  private:
    using Step = Result<> (Reservation::*)(GuestPtr<std::uint64_t> place);
    [[nodiscard]] Result<> take(Step step);
    [[nodiscard]] Result<> populate_one(GuestPtr<std::uint64_t> place);
    [[nodiscard]] Result<> increase_one(GuestPtr<std::uint64_t> place);
    [[nodiscard]] Result<> decrease_one(GuestPtr<std::uint64_t> place);
    [[nodiscard]] Result<Mfn> allocate_reported(GuestPtr<std::uint64_t> place);
    void give_back(Mfn first);

    Domain& owner_;
    GuestPtr<std::uint64_t> list_;
    std::uint64_t extents_;
    unsigned order_;
    std::uint64_t done_;
};

// XENMEM_exchange: trades the caller's frames for others, pseudo-physical numbers kept. `start` is the number
// of extents that earlier calls have done.
[[nodiscard]] HypercallResult exchange_frames(std::uint64_t start, std::uint64_t argument,
                                              HypercallContext& context);

} // namespace bulkhead::hv
