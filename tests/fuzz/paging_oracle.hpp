// What a processor could reach, found by walking tables as the processor does and without looking at frame
// types; and what its TLB and paging-structure caches may remember of earlier walks. The second judge of page
// types beside audit().
#pragma once

#include "hv/mm/frame.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

namespace bulkhead::hv::test {

class Oracle {
  public:
    // `root` answers the root in force on the processor that is judged, or 0 for none of a guest; `narrow`,
    // whether it is that of a 32-bit guest.
    explicit Oracle(
        std::function<Mfn()> root, std::function<bool()> narrow = [] { return false; })
        : root_{std::move(root)}, narrow_{std::move(narrow)} {}
    Oracle(const Oracle&) = delete;
    Oracle& operator=(const Oracle&) = delete;

    // The processor dropped all its translations.
    void flushed() { remembered_ = reach(); }
    // Adds what is reachable now, and judges. Empty if all is well.
    [[nodiscard]] std::string check();

  private:
    struct Reach {
        std::map<std::uint64_t, Owner> readable, writable;   // frame and its owner when it was reached
        std::set<std::pair<std::uint64_t, unsigned>> tables; // frame and level
        std::set<std::tuple<std::uint64_t, unsigned, bool>> visited; // and whether all above is writable
        std::string problem;
    };
    [[nodiscard]] Reach reach() const;
    void visit(Reach& reach, Mfn table, unsigned level, bool writable) const;
    void visit_narrow(Reach& reach, Mfn own) const;

    std::function<Mfn()> root_;
    std::function<bool()> narrow_;
    Reach remembered_;
};

// Whether the hypervisor's own walk finds what a processor finds, but for its own entries in an L4 that a
// linear entry leads to. Empty if so.
[[nodiscard]] std::string wrong_walk(Mfn root, GuestAddress at);

} // namespace bulkhead::hv::test
