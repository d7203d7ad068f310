// Lists of calls, calls about vCPUs, exceptions and privileged instructions, right and wrong, on two pCPUs.
#include "tests/fuzz/whole/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace bulkhead::hv::whole;
    constexpr Plan plan{.name = "calls_fuzz",
                        .pcpus = 2,
                        .guests = 2,
                        .vcpus = 8,
                        .mix = {.tables = 8,
                                .memory = 8,
                                .descriptors = 8,
                                .grants = 8,
                                .events = 16,
                                .time = 16,
                                .vcpus = 50,
                                .lists = 100},
                        .traps = true,
                        .control = {.create = 200,
                                    .destroy = 10,
                                    .pause = 5,
                                    .tune = 5,
                                    .swap = 0,
                                    .misconduct = 0,
                                    .audit = 0,
                                    .starve = 10},
                        .longest_input = 1024};
    run(plan, {data, size});
    return 0;
}
