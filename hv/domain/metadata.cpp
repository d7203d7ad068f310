// Pages of the hypervisor's memory that a domain pays for, within its limit.
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"

namespace bulkhead::hv {

Result<void*> Domain::allocate_metadata() {
    const auto frame = frame_table().allocate_metadata(memory);
    if (!frame)
        return fail(frame.error());
    return machine::frame_data(*frame);
}

void Domain::free_metadata(void* page) { frame_table().free_metadata(machine::frame_of(page), memory); }

} // namespace bulkhead::hv
