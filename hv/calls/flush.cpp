#include "hv/calls/flush.hpp"

#include "hv/mm/guest_memory.hpp"

namespace bulkhead::hv {

template<class Word>
Result<tlb::Mask> processors_of(Domain& domain, std::uint64_t vcpu_mask) {
    const tlb::Mask self = tlb::Mask{1} << machine::this_pcpu().value();
    if (vcpu_mask == 0)
        return self;
    const auto vcpus = GuestPtr<const Word>{vcpu_mask}.read();
    BULKHEAD_TRY(vcpus);
    tlb::Mask mask = 0;
    for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
        if ((*vcpus >> id & 1) != 0 && domain.vcpus[id] != nullptr)
            mask |= tlb::Mask{1} << domain.vcpus[id]->sched.pcpu.value();
    // A vCPU whose tables are in force nowhere, or in the course of being loaded, starts with none.
    return mask & machine::pcpus_using(domain.id);
}

template<class Word>
Result<> flush_for_guest(Domain& domain, std::uint64_t flags, GuestAddress at) {
    const auto kind = flags & UVMF_FLUSHTYPE_MASK;
    if (kind == UVMF_NONE)
        return {};
    const auto where = flags & ~std::uint64_t{UVMF_FLUSHTYPE_MASK};
    const auto mask = where == UVMF_ALL ? Result<tlb::Mask>{machine::pcpus_using(domain.id)}
                                        : processors_of<Word>(domain, where);
    BULKHEAD_TRY(mask);
    if (kind == UVMF_TLB_FLUSH)
        tlb::flush_mask(*mask);
    else if (kind == UVMF_INVLPG)
        tlb::flush_page_mask(*mask, at);
    else
        return fail(Error::invalid);
    return {};
}

template Result<tlb::Mask> processors_of<std::uint64_t>(Domain& domain, std::uint64_t vcpu_mask);
template Result<tlb::Mask> processors_of<std::uint32_t>(Domain& domain, std::uint64_t vcpu_mask);
template Result<> flush_for_guest<std::uint64_t>(Domain& domain, std::uint64_t flags, GuestAddress at);
template Result<> flush_for_guest<std::uint32_t>(Domain& domain, std::uint64_t flags, GuestAddress at);

} // namespace bulkhead::hv
