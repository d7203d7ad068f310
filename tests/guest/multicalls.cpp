// multicall: each entry carries its own result, a refused entry stops none of the others, and a multicall
// inside one is refused.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(multicalls, "several calls in one, each with its own result") {
    const auto version = hypercall::xen_version(XENVER_version, nullptr);
    multicall_entry inner{};
    inner.op = __HYPERVISOR_xen_version;
    std::array<multicall_entry, 5> calls{};
    calls[0].op = __HYPERVISOR_xen_version;
    calls[1].op = 63;
    calls[2].op = __HYPERVISOR_multicall;
    calls[2].args[0] = hypercall::address(&inner);
    calls[2].args[1] = 1;
    calls[3].op = 100'000;
    calls[4].op = __HYPERVISOR_xen_version;
    works(hypercall::multicall(calls), "multicall");
    check(static_cast<long>(calls[0].result) == version.value_or(-1), "the first result is {}",
          calls[0].result);
    check(static_cast<long>(calls[1].result) == -XEN_ENOSYS, "call 63 gave {}",
          static_cast<long>(calls[1].result));
    check(static_cast<long>(calls[2].result) < 0, "a multicall inside a multicall was accepted");
    check(static_cast<long>(calls[3].result) == -XEN_ENOSYS, "call 100000 gave {}",
          static_cast<long>(calls[3].result));
    check(static_cast<long>(calls[4].result) == version.value_or(-1), "the last result is {}",
          calls[4].result);
    works(hypercall::multicall({}), "an empty multicall");
    refused(hypercall::status(hypercall::raw(__HYPERVISOR_multicall, hypervisor_memory, 4)),
            "entries in the hypervisor");
    refused(hypercall::status(hypercall::raw(__HYPERVISOR_multicall, 0x123000, 4)),
            "entries that are not mapped");
}

GUEST_TEST(multicall_long, "5,000 entries are all carried out, in order, across preemption") {
    constexpr std::size_t count = 5000;
    constexpr std::size_t pages = (count * sizeof(multicall_entry) + page_bytes - 1) / page_bytes;
    auto* const calls = reinterpret_cast<multicall_entry*>(allocate_pages(pages));
    for (std::size_t i = 0; i < count; ++i) {
        calls[i].op = i % 2 == 0 ? __HYPERVISOR_xen_version : 62;
        calls[i].result = 7;
    }
    works(hypercall::multicall({calls, count}), "multicall");
    const long version = hypercall::xen_version(XENVER_version, nullptr).value_or(-1);
    for (std::size_t i = 0; i < count; ++i)
        check(static_cast<long>(calls[i].result) == (i % 2 == 0 ? version : -XEN_ENOSYS), "entry {} gave {}",
              i, static_cast<long>(calls[i].result));
    free_pages(reinterpret_cast<Page*>(calls), pages);
}
