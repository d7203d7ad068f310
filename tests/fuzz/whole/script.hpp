// Calls in a given order, each to its end, on the whole hypervisor with one pCPU: for cases that random
// inputs meet too seldom. Vcpus that have nothing to call yield.
#pragma once

#include "tests/fuzz/whole/boot.hpp"
#include "tests/fuzz/whole/calls.hpp"

#include <string>

namespace bulkhead::hv::whole {

class Script {
  public:
    // `zones`: see Size.
    Script(std::uint32_t guests, bool rings, std::uint32_t zones = 0);
    ~Script();
    Script(const Script&) = delete;
    Script& operator=(const Script&) = delete;

    // The answer to a call that this vCPU makes now.
    std::int64_t call(Vcpu& vcpu, const Call& call);
    // All vCPUs go on for a while, and so does the clock.
    void let_pass(Nanos time);
    // Basic blocks of the longest section since the last question.
    [[nodiscard]] std::uint64_t longest_section();
    // The same of the longest piece of work between two preemption points, or one and an end of a section.
    [[nodiscard]] std::uint64_t longest_piece();

    // Ends the program with what is wrong.
    static void require(bool good, const std::string& what);

  private:
    enum class Stage : std::uint8_t { none, wanted, called };
    [[noreturn]] void live();
    void act(Vcpu& vcpu);
    void step();

    Stage stage_ = Stage::none;
    const Vcpu* caller_ = nullptr;
    Call call_{};
    std::int64_t answer_ = 0;
    std::uint64_t longest_ = 0, piece_ = 0;
};

} // namespace bulkhead::hv::whole
