// What a processor could reach, found by walking tables as the processor does and without looking at frame
// types; and what its TLB and paging-structure caches may remember of earlier walks. The second judge of page
// types beside audit().
#pragma once

#include "tests/unit/mm_world.hpp"

#include <map>
#include <set>
#include <string>

namespace bulkhead::hv::host {

class Oracle {
  public:
    explicit Oracle(Machine& machine) : machine_{machine} {
        machine_.on_flush = [this] { remembered_ = reach(); };
    }
    ~Oracle() { machine_.on_flush = nullptr; }
    Oracle(const Oracle&) = delete;
    Oracle& operator=(const Oracle&) = delete;

    // Adds what is reachable now, and judges. Empty if all is well.
    [[nodiscard]] std::string check();

  private:
    struct Reach {
        std::map<std::uint64_t, Owner> readable, writable;   // frame and its owner when it was reached
        std::set<std::pair<std::uint64_t, unsigned>> tables; // frame and level
        std::string problem;
    };
    [[nodiscard]] Reach reach() const;
    void visit(Reach& reach, Mfn table, unsigned level) const;

    Machine& machine_;
    Reach remembered_;
};

} // namespace bulkhead::hv::host
