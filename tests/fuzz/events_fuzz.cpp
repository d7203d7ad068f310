// Event channels, timers and waiting on two pCPUs, under a policy that is asked for every wake.
#include "tests/fuzz/whole/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace bulkhead::hv::whole;
    constexpr Plan plan{.name = "events_fuzz",
                        .pcpus = 2,
                        .guests = 3,
                        .vcpus = 4,
                        .mix = {.tables = 2,
                                .memory = 2,
                                .descriptors = 0,
                                .grants = 0,
                                .events = 60,
                                .time = 60,
                                .vcpus = 12,
                                .lists = 0},
                        .traps = false,
                        .control = {.create = 160,
                                    .destroy = 10,
                                    .pause = 10,
                                    .tune = 10,
                                    .swap = 0,
                                    .misconduct = 0,
                                    .audit = 0,
                                    .starve = 0},
                        .longest_input = 1024};
    run(plan, {data, size});
    return 0;
}
