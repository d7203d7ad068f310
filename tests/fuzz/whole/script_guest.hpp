// A guest of a script that has a front end, and what domain 0 does with it.
#pragma once

#include "abi/control.hpp"
#include "tests/fuzz/whole/fronts.hpp"
#include "tests/fuzz/whole/script.hpp"

#include <array>

namespace bulkhead::hv::whole {

[[nodiscard]] Call control_call(control::Call call, std::uint64_t first, std::uint64_t second = 0);
[[nodiscard]] Vcpu& dom0();

// Its front end keeps the rules, and its port waits for domain 0.
struct Guest {
    Guest(Script& script_of, std::uint16_t id);
    void prepare();
    [[nodiscard]] Vcpu& vcpu() const { return *domain.vcpus[0]; }
    // What its front end does next, as `choices` say.
    template<std::size_t n>
    void act(const std::array<std::uint8_t, n>& choices) {
        input = test::Input{choices};
        act();
        input = test::Input{{}};
    }
    void act();
    [[nodiscard]] bool lends_in_use() const;

    Script& script;
    Domain& domain;
    test::Input input{{}};
    FrontEnd front;
};

// Domain 0's answer.
[[nodiscard]] std::int64_t connect(Script& script, Guest& guest, Device device, std::uint32_t number);

} // namespace bulkhead::hv::whole
