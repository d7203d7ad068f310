// Zeroing a frame, which every page that a guest gets waits for.
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"

#include <cstring>

extern "C" void clear_page_by_vectors(void* page);

namespace bulkhead::hv::machine {

// A string instruction counts once for each 8 bytes, a vector's store once for 16. While no vCPU is loaded
// the processor may not be set up yet, and under TS the vectors would trap.
void clear_frame(Mfn mfn) {
    void* const page = frame_data(mfn);
    if (const Vcpu* loaded = pcpu().loaded; loaded != nullptr && !loaded->processor.task_switched) [[likely]]
        clear_page_by_vectors(page);
    else
        std::memset(page, 0, page_bytes);
}

} // namespace bulkhead::hv::machine
