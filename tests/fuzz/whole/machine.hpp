// A run of the whole hypervisor by an input: which pCPU goes on, what the guest does that it finds there,
// what domain 0 creates, destroys and replaces. Judged after every step and at the end.
#pragma once

#include "tests/fuzz/whole/calls.hpp"

#include <cstdint>
#include <span>

namespace bulkhead::hv::whole {

struct Plan {
    const char* name;
    unsigned pcpus;
    std::uint32_t guests; // domains besides domain 0: so many from the start, twice as many at most
    std::uint32_t vcpus;  // of each
    Mix mix;
    bool traps; // guests raise exceptions and use privileged instructions
    // Domain 0's own calls, each as often as its weight says.
    struct {
        std::uint8_t create, destroy, pause, tune, swap, misconduct, audit;
        std::uint8_t starve; // an allocation to come fails
        std::uint8_t connect = 0, disconnect = 0;
    } control;
    std::size_t longest_input;    // bytes
    std::uint32_t most_vcpus = 0; // of some domains that domain 0 creates; 0: as of the others
    bool rings = false;           // there are disks and network interfaces, and guests have front ends
};

void run(const Plan& plan, std::span<const std::uint8_t> input);

} // namespace bulkhead::hv::whole
