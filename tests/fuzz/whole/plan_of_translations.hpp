// The plan of translations_fuzz, which a case of whole_steps repeats: page tables, memory and domains that
// come and go on four pCPUs.
#pragma once

#include "tests/fuzz/whole/machine.hpp"

namespace bulkhead::hv::whole {

inline constexpr Plan plan_of_translations{.name = "translations_fuzz",
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

} // namespace bulkhead::hv::whole
