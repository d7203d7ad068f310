// The address spaces in which hooks run under the strict guard (hv/plugin/strict.hpp): one for each pCPU. It
// has the hypervisor's half alone, and nothing in it can be written but one range of a policy's memory and
// the pCPU's own stacks for hooks.
#pragma once

#include "abi/types.hpp"

#include <cstdint>

namespace bulkhead::hv {

class StrictSpace {
  public:
    // Takes the memory for it, and maps the stacks in all address spaces. Panics if memory is short.
    void make(PcpuId id);
    // The range from the start of one third-level entry to that of another may be written from the next load
    // of the root on, and no other one. What the hypervisor has mapped since is in it as well.
    void open(std::uint64_t from, std::uint64_t to);

    [[nodiscard]] std::uint64_t root() const { return root_; }
    // The end of the stack for hooks. The page beyond it, with the pointer to the Pcpu, cannot be written.
    [[nodiscard]] std::uint64_t stack_top() const;
    // The area of the stacks for exceptions, which must be writable as well while a hook runs.
    [[nodiscard]] std::uint64_t exception_stacks() const;

  private:
    void make_stacks();
    void close_all();

    PcpuId id_{};
    std::uint64_t root_ = 0;          // physical, as everything in CR3
    std::uint64_t* ranges_ = nullptr; // third-level entries of the slot that policies' memory lies in
    std::uint64_t upper_entries_ = 0; // as when ranges_ was last filled
    std::uint64_t from_ = 0, to_ = 0;
};

} // namespace bulkhead::hv
