// Block and network rings, of guests that keep the protocols' rules and of others, while domain 0 connects
// and disconnects them.
#include "tests/fuzz/whole/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace bulkhead::hv::whole;
    constexpr Plan plan{.name = "rings_fuzz",
                        .pcpus = 2,
                        .guests = 4,
                        .vcpus = 2,
                        .mix = {.tables = 10,
                                .memory = 20,
                                .descriptors = 0,
                                .grants = 30,
                                .events = 30,
                                .time = 20,
                                .vcpus = 10,
                                .lists = 10},
                        .traps = false,
                        .control = {.create = 30,
                                    .destroy = 10,
                                    .pause = 5,
                                    .tune = 10,
                                    .swap = 10,
                                    .misconduct = 5,
                                    .audit = 5,
                                    .starve = 10,
                                    .connect = 100,
                                    .disconnect = 20},
                        .longest_input = 1024,
                        .rings = true};
    run(plan, {data, size});
    return 0;
}
