// Policies that are swapped and ejected while guests take all memory that they can get.
#include "tests/fuzz/whole/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace bulkhead::hv::whole;
    constexpr Plan plan{.name = "policies_fuzz",
                        .pcpus = 2,
                        .guests = 4,
                        .vcpus = 4,
                        .mix = {.tables = 6,
                                .memory = 90,
                                .descriptors = 0,
                                .grants = 30,
                                .events = 20,
                                .time = 30,
                                .vcpus = 20,
                                .lists = 0},
                        .traps = false,
                        .control = {.create = 100,
                                    .destroy = 20,
                                    .pause = 10,
                                    .tune = 30,
                                    .swap = 50,
                                    .misconduct = 30,
                                    .audit = 0,
                                    .starve = 25},
                        .longest_input = 1024};
    run(plan, {data, size});
    return 0;
}
