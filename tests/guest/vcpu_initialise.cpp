// VCPUOP_initialise of a second vCPU: a context without an address space, or with one that is none, is
// refused, and the vCPU stays what it was. If such a vCPU ever ran, the processor would take frame 0 for its
// page tables.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/vcpus.hpp"
#include "tests/guest/test.hpp"

#include <xen/vcpu.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

vcpu_guest_context_t& context_with_root(Word root) {
    static vcpu_guest_context_t context; // over 5 kB
    context = {};
    set_start(context.user_regs, hypercall::address(&context), 0);
    context.ctrlreg[3] = root;
    return context;
}

} // namespace

GUEST_TEST(vcpu_initialise, "a vCPU is not brought up without page tables") {
    if (hypercall::vcpu_op(VCPUOP_is_up, 1, nullptr) == std::unexpected{Error::no_entry})
        skip("this domain has one vCPU");
    auto& nothing = context_with_root(0);
    refused(hypercall::vcpu_op(VCPUOP_initialise, 500, &nothing), Error::no_entry, "vCPU 500");
    refused(hypercall::vcpu_op(VCPUOP_initialise, 0, &nothing), Error::exists, "the running vCPU");
    refused(hypercall::vcpu_op(VCPUOP_initialise, 1, &nothing), Error::invalid, "no root");
    Page* const page = allocate_pages();
    refused(
        hypercall::vcpu_op(VCPUOP_initialise, 1, &context_with_root(xen_pfn_to_cr3(mfn_of(page).value()))),
        "a page of data as root");
    free_pages(page);
    refused(hypercall::vcpu_op(VCPUOP_up, 1, nullptr), "bringing up what was never initialised");
    check(works(hypercall::vcpu_op(VCPUOP_is_up, 1, nullptr), "is_up") == 0, "vCPU 1 is up");
}
