// The life of domains: created, paused, destroyed while others still hold their pages and ports, their slots
// taken again by others.
#include "tests/fuzz/whole/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace bulkhead::hv::whole;
    constexpr Plan plan{.name = "life_fuzz",
                        .pcpus = 2,
                        .guests = 4,
                        .vcpus = 2,
                        .mix = {.tables = 10,
                                .memory = 10,
                                .descriptors = 4,
                                .grants = 70,
                                .events = 50,
                                .time = 10,
                                .vcpus = 10,
                                .lists = 10},
                        .traps = false,
                        .control = {.create = 120,
                                    .destroy = 80,
                                    .pause = 20,
                                    .tune = 5,
                                    .swap = 0,
                                    .misconduct = 0,
                                    .audit = 10,
                                    .starve = 20},
                        .longest_input = 1024,
                        .most_vcpus = 16};
    run(plan, {data, size});
    return 0;
}
