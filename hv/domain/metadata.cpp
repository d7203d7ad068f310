// Pages of the hypervisor's memory that a domain pays for, within its limit.
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"

namespace bulkhead::hv {

Result<void*> Domain::allocate_metadata() {
    if (memory.metadata.fetch_add(1) >= memory.max_metadata) {
        --memory.metadata;
        return fail(Error::no_memory);
    }
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame) {
        --memory.metadata;
        return fail(frame.error());
    }
    return machine::frame_data(*frame);
}

void Domain::free_metadata(void* page) {
    frame_table().free_for_hypervisor(machine::frame_of(page));
    --memory.metadata;
}

} // namespace bulkhead::hv
