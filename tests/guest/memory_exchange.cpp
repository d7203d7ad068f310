// XENMEM_exchange: other machine frames come in place of a guest's own, under the same numbers. A frame that
// is not its own ends the call, with what was done before counted.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

#include <algorithm>

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::size_t count = 5;
constinit std::array<xen_pfn_t, count> from{}, to{};

xen_memory_exchange request() {
    xen_memory_exchange call{};
    call.in.extent_start.p = from.data();
    call.in.nr_extents = count;
    call.in.domid = call.out.domid = DOMID_SELF;
    call.out.extent_start.p = to.data();
    call.out.nr_extents = count;
    return call;
}

} // namespace

GUEST_TEST(memory_exchange, "machine frames are exchanged for others under the same numbers") {
    Page* const pages = allocate_pages(count);
    for (std::size_t i = 0; i < count; ++i) {
        from[i] = mfn_of(pages + i).value();
        to[i] = pfn_of(pages + i).value();
        works(hypercall::update_va_mapping(hypercall::address(pages + i), 0, UVMF_INVLPG), "unmapping");
    }
    xen_memory_exchange call = request();
    const auto done = hypercall::memory_op(XENMEM_exchange, &call);
    works(done, "the exchange");
    check(call.nr_exchanged == count, "{} of {} were exchanged", call.nr_exchanged, count);
    for (std::size_t i = 0; i < count; ++i) {
        const Pfn pfn = pfn_of(pages + i);
        set_machine_frame(pfn, Mfn{to[i]});
        works(protect(pages + i, pte::read_write), "mapping a new frame");
        check(own_frame(Mfn{to[i]}) == pfn, "the machine-to-physical entry of a new frame is wrong");
        const bool came_back = std::ranges::find(to, from[i]) != to.end(); // in place of another one
        check(came_back || !map_frame(Mfn{from[i]}), "an exchanged frame can still be mapped");
    }
    from = to;
    from[count - 1] = no_frame;
    for (std::size_t i = 0; i < count; ++i) {
        to[i] = pfn_of(pages + i).value();
        works(hypercall::update_va_mapping(hypercall::address(pages + i), 0, UVMF_INVLPG), "unmapping");
    }
    call = request();
    refused(hypercall::memory_op(XENMEM_exchange, &call), "an exchange of a frame that is not RAM");
    check(call.nr_exchanged == count - 1, "{} of {} were exchanged", call.nr_exchanged, count - 1);
    for (std::size_t i = 0; i < count; ++i) {
        const Pfn pfn = pfn_of(pages + i);
        set_machine_frame(pfn, Mfn{i + 1 < count ? to[i] : machine_frame(pfn).value()});
        works(protect(pages + i, pte::read_write), "mapping it again");
    }
    free_pages(pages, count);
}
