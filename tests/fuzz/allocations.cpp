// See allocations.hpp. `real` names are the frame table's own functions.
#include "tests/fuzz/allocations.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"

#define BULKHEAD_REAL(mangled) asm("__real_" mangled)
#define BULKHEAD_WRAP(mangled) asm("__wrap_" mangled)
#define BULKHEAD_ALLOCATE "_ZN8bulkhead2hv10FrameTable8allocateERNS0_6DomainEm"
#define BULKHEAD_ALLOCATE_RUN "_ZN8bulkhead2hv10FrameTable12allocate_runERNS0_6DomainEjm"
#define BULKHEAD_METADATA "_ZN8bulkhead2hv10FrameTable17allocate_metadataERNS0_12DomainMemoryE"
#define BULKHEAD_HYPERVISOR "_ZN8bulkhead2hv10FrameTable23allocate_for_hypervisorEv"
#define BULKHEAD_PROMISE "_ZN8bulkhead2hv10FrameTable7promiseERNS0_12DomainMemoryEmm"
#define BULKHEAD_CONTIGUOUS "_ZN8bulkhead2hv10FrameTable19allocate_contiguousEm"
#define BULKHEAD_EXCHANGE "_ZN8bulkhead2hv10FrameTable8exchangeENS_6StrongINS_6MfnTagEmEERNS0_6DomainE"

namespace bulkhead::hv::test {

Allocations& allocations() {
    static Allocations only;
    return only;
}

void (*on_allocation)(bool fails) = nullptr;

namespace {
bool fails() {
    auto& all = allocations();
    ++all.made;
    const bool failing = all.made == all.fails || (all.lasts && all.fails != 0 && all.made > all.fails);
    if (on_allocation != nullptr)
        on_allocation(failing);
    return failing;
}
} // namespace

Result<Mfn> real_allocate(FrameTable& table, Domain& owner, std::uint64_t pfn)
    BULKHEAD_REAL(BULKHEAD_ALLOCATE);
Result<Mfn> allocate(FrameTable& table, Domain& owner, std::uint64_t pfn) BULKHEAD_WRAP(BULKHEAD_ALLOCATE);
Result<Mfn> allocate(FrameTable& table, Domain& owner, std::uint64_t pfn) {
    return fails() ? fail(Error::no_memory) : real_allocate(table, owner, pfn);
}

Result<Mfn> real_allocate_run(FrameTable& table, Domain& owner, unsigned order, std::uint64_t pfn)
    BULKHEAD_REAL(BULKHEAD_ALLOCATE_RUN);
Result<Mfn> allocate_run(FrameTable& table, Domain& owner, unsigned order, std::uint64_t pfn)
    BULKHEAD_WRAP(BULKHEAD_ALLOCATE_RUN);
Result<Mfn> allocate_run(FrameTable& table, Domain& owner, unsigned order, std::uint64_t pfn) {
    return fails() ? fail(Error::no_memory) : real_allocate_run(table, owner, order, pfn);
}

Result<Mfn> real_metadata(FrameTable& table, DomainMemory& memory) BULKHEAD_REAL(BULKHEAD_METADATA);
Result<Mfn> metadata(FrameTable& table, DomainMemory& memory) BULKHEAD_WRAP(BULKHEAD_METADATA);
Result<Mfn> metadata(FrameTable& table, DomainMemory& memory) {
    return fails() ? fail(Error::no_memory) : real_metadata(table, memory);
}

Result<Mfn> real_hypervisor(FrameTable& table) BULKHEAD_REAL(BULKHEAD_HYPERVISOR);
Result<Mfn> hypervisor(FrameTable& table) BULKHEAD_WRAP(BULKHEAD_HYPERVISOR);
Result<Mfn> hypervisor(FrameTable& table) {
    return fails() ? fail(Error::no_memory) : real_hypervisor(table);
}

Result<> real_promise(FrameTable& table, DomainMemory& memory, std::uint64_t frames, std::uint64_t metadata)
    BULKHEAD_REAL(BULKHEAD_PROMISE);
Result<> promise(FrameTable& table, DomainMemory& memory, std::uint64_t frames, std::uint64_t metadata)
    BULKHEAD_WRAP(BULKHEAD_PROMISE);
Result<> promise(FrameTable& table, DomainMemory& memory, std::uint64_t frames, std::uint64_t metadata) {
    return fails() ? fail(Error::no_memory) : real_promise(table, memory, frames, metadata);
}

Result<Mfn> real_exchange(FrameTable& table, Mfn mfn, Domain& owner) BULKHEAD_REAL(BULKHEAD_EXCHANGE);
Result<Mfn> exchange(FrameTable& table, Mfn mfn, Domain& owner) BULKHEAD_WRAP(BULKHEAD_EXCHANGE);
Result<Mfn> exchange(FrameTable& table, Mfn mfn, Domain& owner) {
    return fails() ? fail(Error::no_memory) : real_exchange(table, mfn, owner);
}

Result<Mfn> real_contiguous(FrameTable& table, std::uint64_t frames) BULKHEAD_REAL(BULKHEAD_CONTIGUOUS);
Result<Mfn> contiguous(FrameTable& table, std::uint64_t frames) BULKHEAD_WRAP(BULKHEAD_CONTIGUOUS);
Result<Mfn> contiguous(FrameTable& table, std::uint64_t frames) {
    return fails() ? fail(Error::no_memory) : real_contiguous(table, frames);
}

} // namespace bulkhead::hv::test
