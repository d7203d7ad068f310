// Changing how much memory a domain has, extent by extent.
#pragma once

#include "hv/calls/hypercall.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/guest_memory.hpp"

extern "C" {
#include <xen/memory.h>
}

namespace bulkhead::hv {

// One request, from extent `start` on. The three ways to run it stop at the first extent that can't be done,
// at the first that the memory policy does not grant, or with restart at a preemption point; done() tells how
// far they came. `Word` is an element of the guest's lists.
template<class Word>
class BasicReservation {
  public:
    BasicReservation(Domain& owner, GuestPtr<Word> list, std::uint64_t extents, unsigned order,
                     std::uint64_t start)
        : owner_{owner}, list_{list}, extents_{extents}, order_{order}, done_{start} {}

    // Frames for given pseudo-physical numbers: reads them from the guest's list and writes the machine's
    // there.
    [[nodiscard]] Result<> populate();
    // Frames without a number yet; the list, if there is one, is filled with the machine's numbers.
    [[nodiscard]] Result<> increase();
    // Gives the listed frames up.
    [[nodiscard]] Result<> decrease();
    [[nodiscard]] std::uint64_t done() const { return done_; }

  private:
    template<auto step>
    [[nodiscard]] Result<> take();
    [[nodiscard]] Result<> populate_one(GuestPtr<Word> place);
    [[nodiscard]] Result<> increase_one(GuestPtr<Word> place);
    [[nodiscard]] Result<> decrease_one(GuestPtr<Word> place);
    [[nodiscard]] Result<Mfn> allocate(std::uint64_t pfn);
    [[nodiscard]] Result<> allocate_reported(GuestPtr<Word> place, std::uint64_t pfn);
    void give_back(Mfn first);
    // Whether an extent of order 9, wanted by this request or by another one, is on its way.
    [[nodiscard]] bool is_under_way() const;
    [[nodiscard]] std::uint64_t most_at_once() const;

    Domain& owner_;
    GuestPtr<Word> list_;
    std::uint64_t extents_;
    unsigned order_;
    std::uint64_t done_;
};

// XENMEM_exchange: trades the caller's frames for others, pseudo-physical numbers kept. `start` is the number
// of extents that earlier calls have done.
[[nodiscard]] HypercallResult exchange_frames(std::uint64_t start, std::uint64_t argument,
                                              HypercallContext& context);
[[nodiscard]] HypercallResult exchange_pae_frames(std::uint64_t start, std::uint64_t argument,
                                                  HypercallContext& context);

} // namespace bulkhead::hv
