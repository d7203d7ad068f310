// Page tables, memory and domains that come and go on four pCPUs: no pCPU may use a translation of a frame
// that was given away, neither a guest's nor one of the hypervisor's own.
#include "tests/fuzz/whole/plan_of_translations.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace bulkhead::hv::whole;
    run(plan_of_translations, {data, size});
    return 0;
}
