// A guest gives frames back and takes others in their place (XENMEM_decrease_reservation, _populate_physmap);
// it may not give back what is not its own, nor use an order beyond reason, nor grow beyond its allowance.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static Result<long> reserve(unsigned command, xen_pfn_t* extents, std::uint64_t count, unsigned order = 0,
                            domid_t domain = DOMID_SELF) {
    xen_memory_reservation call{};
    call.extent_start.p = extents;
    call.nr_extents = count;
    call.extent_order = order;
    call.domid = domain;
    return hypercall::memory_op(command, &call);
}

GUEST_TEST(memory_reservation, "frames go back to the hypervisor and others come in their place") {
    constexpr std::size_t count = 8;
    Page* const pages = allocate_pages(count);
    std::array<xen_pfn_t, count> frames{};
    for (std::size_t i = 0; i < count; ++i) {
        frames[i] = mfn_of(pages + i).value();
        check(hypercall::update_va_mapping(hypercall::address(pages + i), 0, UVMF_INVLPG).has_value(),
              "cannot unmap");
    }
    const auto given = reserve(XENMEM_decrease_reservation, frames.data(), count);
    check(works(given, "decrease_reservation") == count, "only {} of {} frames given back", *given, count);
    check(reserve(XENMEM_decrease_reservation, frames.data(), 1).value_or(0) == 0,
          "a frame was given back twice");
    check(!map_frame(Mfn{frames[0]}), "a frame given back can still be mapped");

    std::array<xen_pfn_t, count> numbers{};
    for (std::size_t i = 0; i < count; ++i)
        numbers[i] = pfn_of(pages + i).value();
    const auto taken = reserve(XENMEM_populate_physmap, numbers.data(), count);
    check(works(taken, "populate_physmap") == count, "only {} of {} frames taken", *taken, count);
    for (std::size_t i = 0; i < count; ++i) {
        const Pfn pfn = pfn_of(pages + i);
        set_machine_frame(pfn, Mfn{numbers[i]});
        works(protect(pages + i, pte::read_write), "mapping a new frame");
        check(own_frame(Mfn{numbers[i]}) == pfn, "machine-to-physical entry of a new frame is wrong");
        for (const std::byte byte : pages[i].bytes)
            check(byte == std::byte{0}, "a new frame is not zeroed");
    }

    xen_pfn_t nobody = no_frame;
    check(reserve(XENMEM_decrease_reservation, &nobody, 1).value_or(0) == 0,
          "a frame beyond memory was given back");
    check(reserve(XENMEM_populate_physmap, &nobody, 1, 40).value_or(0) == 0,
          "an extent of 2^40 frames was given");
    check(reserve(XENMEM_populate_physmap, &nobody, 1, 0, 0x7abc).value_or(0) == 0,
          "a domain that is not there got a frame");
    free_pages(pages, count);
}
