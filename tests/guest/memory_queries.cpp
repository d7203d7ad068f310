// What XENMEM tells about the machine and this domain: numbers that fit with what the builder said.
// A control domain on Xen sees the machine's memory map; other domains see none, or one of their own.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/start.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(memory_queries,
           "sizes of the machine and of this domain, and where the machine-to-physical table is") {
    const long highest = works(hypercall::memory_op(XENMEM_maximum_ram_page, nullptr), "maximum_ram_page");
    for (std::uint64_t pfn = 0; pfn < page_count(); pfn += 37)
        check(machine_frame(Pfn{pfn}).value() <= static_cast<std::uint64_t>(highest),
              "own frame {x} lies above the highest of the machine", machine_frame(Pfn{pfn}));

    domid_t self = DOMID_SELF;
    const long current =
        works(hypercall::memory_op(XENMEM_current_reservation, &self), "current_reservation");
    check(current >= static_cast<long>(page_count()), "{} frames reserved, {} given", current, page_count());
    const long most = works(hypercall::memory_op(XENMEM_maximum_reservation, &self), "maximum_reservation");
    check(most >= current, "the maximum {} is below the current {}", most, current);
    domid_t nobody = 0x7abc;
    refused(hypercall::memory_op(XENMEM_current_reservation, &nobody),
            "the reservation of a domain that is not there");

    xen_machphys_mapping table{};
    works(hypercall::memory_op(XENMEM_machphys_mapping, &table), "machphys_mapping");
    check(table.v_start == HYPERVISOR_VIRT_START, "the table starts at {x}", table.v_start);
    check(table.v_end > table.v_start && table.max_mfn + 1 >= static_cast<std::uint64_t>(highest),
          "the table is too small");

    refused(hypercall::memory_op(XENMEM_maximum_ram_page + 50, nullptr), Error::no_such_call,
            "an unknown command");
    refused(hypercall::memory_op(XENMEM_machphys_mapping, reinterpret_cast<void*>(hypervisor_memory)),
            Error::fault, "an answer into the hypervisor's memory");
}

GUEST_TEST(memory_map, "the memory map, where there is one, covers this domain's frames") {
    std::array<std::uint64_t, 32 * 3> entries{}; // each entry of the map is 20 bytes
    xen_memory_map call{};
    call.nr_entries = 32;
    call.buffer.p = entries.data();
    const auto result = hypercall::memory_op(XENMEM_memory_map, &call);
    if (!result && (result.error() == Error::no_such_call || result.error() == Error::not_permitted))
        skip("this domain has no memory map");
    works(result, "memory_map");
    check(call.nr_entries > 0 && call.nr_entries <= 32, "{} entries", call.nr_entries);
    std::uint64_t bytes = 0;
    __builtin_memcpy(&bytes, reinterpret_cast<const char*>(entries.data()) + sizeof(std::uint64_t),
                     sizeof(bytes));
    check(bytes != 0, "the first entry is empty");
}
