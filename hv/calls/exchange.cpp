// XENMEM_exchange, for frames of order 0 on both sides: the one use that 64-bit guests without devices have
// for it is to get rid of the machine frames behind pages of their own.
#include "hv/calls/reservation.hpp"
#include "hv/mm/paging.hpp"

namespace bulkhead::hv {

namespace {

Result<Mfn> trade(Domain& domain, Mfn old) {
    const LockGuard tables{domain.memory.tables};
    return frame_table().exchange(old, domain);
}

// The new frame takes over the number of the old one.
Result<> exchange_one(Domain& domain, GuestPtr<std::uint64_t> from, GuestPtr<std::uint64_t> to) {
    const auto old = from.read();
    BULKHEAD_TRY(old);
    const auto pfn = to.read(); // the list holds pseudo-physical numbers on the way in
    BULKHEAD_TRY(pfn);
    BULKHEAD_TRY(to.write(*pfn)); // refused before anything is lost
    const auto mfn = trade(domain, Mfn{*old});
    BULKHEAD_TRY(mfn);
    static_cast<void>(frame_table().set_pfn(*mfn, *pfn, domain)); // another vCPU may have given it back
    return to.write(mfn->value());
}

} // namespace

HypercallResult exchange_frames(std::uint64_t start, std::uint64_t argument, HypercallContext& context) {
    const GuestPtr<xen_memory_exchange_t> place{argument};
    auto request = place.read();
    BULKHEAD_TRY(request);
    const auto& in = request->in;
    const auto& out = request->out;
    if (in.extent_order != 0 || out.extent_order != 0)
        return fail(Error::not_supported);
    if (in.domid != DOMID_SELF || out.domid != DOMID_SELF || in.nr_extents != out.nr_extents ||
        request->nr_exchanged != start || start > in.nr_extents || in.nr_extents > UINT32_MAX)
        return fail(Error::invalid);
    const GuestPtr<std::uint64_t> from{reinterpret_cast<std::uint64_t>(in.extent_start.p)};
    const GuestPtr<std::uint64_t> to{reinterpret_cast<std::uint64_t>(out.extent_start.p)};
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
    request->nr_exchanged = done;
    BULKHEAD_TRY(place.write(*request));
    if (!outcome && outcome.error() == Error::restart)
        context.arguments[0] = XENMEM_exchange | done << 6;
    BULKHEAD_TRY(outcome);
    return 0;
}

} // namespace bulkhead::hv
