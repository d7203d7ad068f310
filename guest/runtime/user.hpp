// Guest user mode: a second page-table root without the kernel's mappings, in which code runs until it makes
// a system call.
#pragma once

#include "guest/runtime/paging.hpp"
#include "guest/runtime/traps.hpp"

namespace bulkhead::guest::user {

inline constexpr std::uint64_t code_base = 0x600000; // the page of code, read-only for user mode
inline constexpr std::uint64_t data_base = 0x601000; // one page shared with the kernel, read-write
inline constexpr std::uint64_t stack_top = 0x603000; // one page of stack below it

// How user code came back to the kernel.
struct Exit {
    enum class Cause { syscall, sysenter, interrupt, trap } cause;
    std::uint64_t number;   // rax at a system call
    std::uint64_t argument; // rdi at a system call
    std::uint64_t rip;      // where user code stopped; 0 at a sysenter
    std::optional<traps::Trap> trap;
};

// Builds the user tables around a copy of the machine code between `first` and `last` (position-independent,
// at most a page).
class Space {
  public:
    [[nodiscard]] static Result<Space> create(const void* first, const void* last);
    [[nodiscard]] Page* data() const { return data_; }
    [[nodiscard]] Mfn root() const { return root_; }
    // Enters user code at code_base with rdi = argument; returns at its first syscall, int 0x80 or trap.
    [[nodiscard]] Result<Exit> run(std::uint64_t argument);
    // Goes on after a syscall or interrupt, with rax = answer.
    [[nodiscard]] Result<Exit> resume(std::uint64_t answer);

  private:
    Space() = default;
    Page* data_ = nullptr;
    Mfn root_{};
    traps::Frame saved_{};
};

} // namespace bulkhead::guest::user
