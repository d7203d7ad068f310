// Page tables, memory and domains that come and go on four pCPUs: no pCPU may use a translation of a frame
// that was given away, neither a guest's nor one of the hypervisor's own.
#include "tests/fuzz/whole/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace bulkhead::hv::whole;
    constexpr Plan plan{.name = "translations_fuzz",
                        .pcpus = 4,
                        .guests = 3,
                        .vcpus = 3,
                        .mix = {.tables = 40,
                                .memory = 20,
                                .descriptors = 20,
                                .grants = 20,
                                .events = 2,
                                .time = 10,
                                .vcpus = 16,
                                .lists = 0},
                        .traps = false,
                        .control = {.create = 140,
                                    .destroy = 30,
                                    .pause = 4,
                                    .tune = 4,
                                    .swap = 0,
                                    .misconduct = 0,
                                    .audit = 2,
                                    .starve = 0},
                        .longest_input = 1024};
    run(plan, {data, size});
    return 0;
}
