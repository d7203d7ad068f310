// User mode: builds the small second address space, switches into it, and turns the first trap or syscall
// into a return.
#include "guest/runtime/user.hpp"

#include "guest/runtime/events.hpp"
#include "guest/runtime/internal.hpp"

namespace bulkhead::guest::user {
namespace {

extern "C" {
void enter_user(const traps::Frame* frame, Word* saved_rsp);
[[noreturn]] void leave_user(Word saved_rsp);
}

static_assert(sizeof(traps::Frame) == (is_narrow ? 15 : 22) * sizeof(Word)); // as entry.S copies it

constexpr std::uint64_t read_write = pte::read_write | pte::user, read_only = pte::read_only | pte::user;
// In 32 bits a vCPU has one root, so that the kernel must be in this one too.
constexpr unsigned new_root = is_narrow ? MMUEXT_NEW_BASEPTR : MMUEXT_NEW_USER_BASEPTR;

struct Running {
    bool active = false;
    Word saved_rsp = 0;
    traps::Frame* frame = nullptr;
};
constinit Running running{};

std::uint64_t* entries(Page* table) { return reinterpret_cast<std::uint64_t*>(table); }

// Links `table` under `upper` at `index`, and makes it read-only so that it can become a table.
Status link(Page* upper, std::size_t index, Page* table, std::uint64_t flags = pte::table) {
    entries(upper)[index] = pte::make(mfn_of(table), flags);
    return protect(table, pte::read_only);
}

// What the kernel's root has behind the applications' part.
[[maybe_unused]] void copy_kernel(Page* root) {
    for (std::uint64_t slot = 1; slot < 4; ++slot)
        entries(root)[slot] = find_slot(slot << 30, Level::l3)->entry;
}

Exit describe(const traps::Frame& frame) {
    Exit exit{.cause = Exit::Cause::syscall,
              .number = frame.rax,
              .argument = frame.rdi,
              .rip = frame.rip,
              .trap = std::nullopt};
    if (frame.vector == traps::syscall_entry)
        return exit;
    if (frame.vector == traps::sysenter_entry) {
        exit.cause = Exit::Cause::sysenter;
        return exit;
    }
    if (frame.vector == static_cast<std::uint64_t>(traps::Vector::syscall)) {
        exit.cause = Exit::Cause::interrupt;
        return exit;
    }
    const bool page_fault = frame.vector == static_cast<std::uint64_t>(traps::Vector::page);
    exit.cause = Exit::Cause::trap;
    exit.trap = traps::Trap{.vector = static_cast<traps::Vector>(frame.vector),
                            .error = frame.error,
                            .address = page_fault ? shared().vcpu_info[0].arch.cr2 : 0,
                            .rip = frame.rip};
    return exit;
}

Result<Exit> enter(Mfn root, traps::Frame& frame) {
    if (const auto status = hypercall::mmuext(new_root, root.value()); !status)
        return std::unexpected{status.error()};
    const events::Masked until_back;
    running.active = true;
    running.frame = &frame;
    enter_user(&frame, &running.saved_rsp);
    if constexpr (is_narrow)
        if (const auto status = hypercall::mmuext(new_root, kernel_root().value()); !status)
            return std::unexpected{status.error()};
    return describe(frame);
}

} // namespace

Result<Space> Space::create(const void* first, const void* last) {
    Page* const pages = allocate_pages(7);
    Page *const code = pages, *const data = pages + 1, *const stack = pages + 2;
    Page *const l1 = pages + 3, *const l2 = pages + 4, *const l3 = pages + 5, *const l4 = pages + 6;
    const auto bytes =
        static_cast<std::size_t>(static_cast<const char*>(last) - static_cast<const char*>(first));
    if (bytes > page_bytes)
        return std::unexpected{Error::too_big};
    __builtin_memcpy(code, first, bytes);
    const std::size_t index = code_base >> page_shift & 511;
    entries(l1)[index] = pte::make(mfn_of(code), read_only);
    entries(l1)[index + 1] = pte::make(mfn_of(data), read_write);
    entries(l1)[index + 2] = pte::make(mfn_of(stack), read_write);
    Page* const root = is_narrow ? l3 : l4;
    const auto upper = [&] { return is_narrow ? Status{} : link(l4, 0, l3); };
    for (const auto& linked : {link(l2, code_base >> 21 & 511, l1),
                               link(l3, 0, l2, is_narrow ? pte::in_root : pte::table), upper()})
        if (!linked)
            return std::unexpected{linked.error()};
    if constexpr (is_narrow)
        copy_kernel(root);
    if (const auto closed = protect(root, pte::read_only); !closed)
        return std::unexpected{closed.error()};
    if (const auto pinned =
            hypercall::mmuext(is_narrow ? MMUEXT_PIN_L3_TABLE : MMUEXT_PIN_L4_TABLE, mfn_of(root).value());
        !pinned)
        return std::unexpected{pinned.error()};
    Space space;
    space.data_ = data;
    space.root_ = mfn_of(root);
    return space;
}

Result<Exit> Space::run(std::uint64_t argument) {
    saved_ = {};
    saved_.rdi = argument;
    saved_.rip = code_base;
    saved_.cs = FLAT_USER_CS;
    saved_.rflags = 0x202;
    saved_.rsp = stack_top;
    saved_.ss = FLAT_USER_SS;
    return enter(root_, saved_);
}

Result<Exit> Space::resume(std::uint64_t answer) {
    saved_.rax = answer;
    return enter(root_, saved_);
}

} // namespace bulkhead::guest::user

namespace bulkhead::guest::internal {

void leave_user_mode(traps::Frame& frame) {
    using namespace user;
    if (!running.active)
        return;
    running.active = false;
    *running.frame = frame;
    leave_user(running.saved_rsp);
}

} // namespace bulkhead::guest::internal
