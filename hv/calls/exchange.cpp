// XENMEM_exchange, for frames of order 0 on both sides: the one use that 64-bit guests without devices have
// for it is to get rid of the machine frames behind pages of their own.
#include "abi/pae.hpp"
#include "hv/calls/reservation.hpp"
#include "hv/mm/paging.hpp"

namespace bulkhead::hv {

namespace {

Result<Mfn> trade(Domain& domain, Mfn old) {
    const LockGuard tables{domain.memory.tables};
    return frame_table().exchange(old, domain);
}

// Unless another vCPU has given the frame back meanwhile.
void number(Domain& domain, Mfn mfn, std::uint64_t pfn) {
    static_cast<void>(frame_table().set_pfn(mfn, pfn, domain));
}

// The new frame takes over the number of the old one.
template<class Word>
Result<> exchange_one(Domain& domain, GuestPtr<Word> from, GuestPtr<Word> to) {
    const auto old = from.read();
    BULKHEAD_TRY(old);
    const auto pfn = to.read(); // the list holds pseudo-physical numbers on the way in
    BULKHEAD_TRY(pfn);
    BULKHEAD_TRY(to.write(*pfn)); // refused before anything is lost
    const auto mfn = trade(domain, Mfn{*old});
    BULKHEAD_TRY(mfn);
    number(domain, *mfn, *pfn);
    return to.write(static_cast<Word>(mfn->value()));
}

std::uint64_t list_of(const xen_memory_reservation_t& request) {
    return reinterpret_cast<std::uint64_t>(request.extent_start.p);
}
std::uint64_t list_of(const pae_abi::MemoryReservation& request) { return request.extent_start; }

// `Request` is the structure in the guest's width, `Word` an element of its lists.
template<class Request, class Word>
HypercallResult exchange(std::uint64_t start, std::uint64_t argument, HypercallContext& context) {
    const GuestPtr<Request> place{argument};
    auto request = place.read();
    BULKHEAD_TRY(request);
    const auto& in = request->in;
    const auto& out = request->out;
    if (in.extent_order != 0 || out.extent_order != 0)
        return fail(Error::not_supported);
    if (in.domid != DOMID_SELF || out.domid != DOMID_SELF || in.nr_extents != out.nr_extents ||
        request->nr_exchanged != start || start > in.nr_extents || in.nr_extents > UINT32_MAX)
        return fail(Error::invalid);
    const GuestPtr<Word> from{list_of(in)};
    const GuestPtr<Word> to{list_of(out)};
    Result<> outcome;
    auto done = start;
    for (; outcome && done < in.nr_extents; ++done) {
        if (done != start && machine::should_preempt()) {
            outcome = fail(Error::restart);
            break;
        }
        outcome = exchange_one(context.domain, from + done, to + done);
        if (!outcome)
            break;
    }
    request->nr_exchanged = static_cast<decltype(request->nr_exchanged)>(done); // not above nr_extents
    BULKHEAD_TRY(place.write(*request));
    if (!outcome && outcome.error() == Error::restart)
        context.arguments[0] = XENMEM_exchange | done << 6;
    BULKHEAD_TRY(outcome);
    return 0;
}

} // namespace

HypercallResult exchange_frames(std::uint64_t start, std::uint64_t argument, HypercallContext& context) {
    return exchange<xen_memory_exchange_t, std::uint64_t>(start, argument, context);
}
HypercallResult exchange_pae_frames(std::uint64_t start, std::uint64_t argument, HypercallContext& context) {
    return exchange<pae_abi::MemoryExchange, std::uint32_t>(start, argument, context);
}

} // namespace bulkhead::hv
