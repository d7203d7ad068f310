// User mode: builds the small second address space, switches into it, and turns the first trap or syscall
// into a return.
#include "guest/runtime/user.hpp"

#include "guest/runtime/events.hpp"
#include "guest/runtime/internal.hpp"

namespace bulkhead::guest::user {
namespace {

extern "C" {
void enter_user(const traps::Frame* frame, std::uint64_t* saved_rsp);
[[noreturn]] void leave_user(std::uint64_t saved_rsp);
}

static_assert(sizeof(traps::Frame) == 22 * 8);

struct Running {
    bool active = false;
    std::uint64_t saved_rsp = 0;
    traps::Frame* frame = nullptr;
};
constinit Running running{};

std::uint64_t* entries(Page* table) { return reinterpret_cast<std::uint64_t*>(table); }

// Links `table` under `upper` at `index`, and makes it read-only so that it can become a table.
Status link(Page* upper, std::size_t index, Page* table) {
    entries(upper)[index] = pte::make(mfn_of(table), pte::table);
    return protect(table, pte::read_only);
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
    if (const auto status = hypercall::mmuext(MMUEXT_NEW_USER_BASEPTR, root.value()); !status)
        return std::unexpected{status.error()};
    const events::Masked until_back;
    running.active = true;
    running.frame = &frame;
    enter_user(&frame, &running.saved_rsp);
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
    entries(l1)[index] = pte::make(mfn_of(code), pte::read_only);
    entries(l1)[index + 1] = pte::make(mfn_of(data), pte::read_write);
    entries(l1)[index + 2] = pte::make(mfn_of(stack), pte::read_write);
    for (const auto& linked :
         {link(l2, code_base >> 21 & 511, l1), link(l3, 0, l2), link(l4, 0, l3), protect(l4, pte::read_only)})
        if (!linked)
            return std::unexpected{linked.error()};
    if (const auto pinned = hypercall::mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(l4).value()); !pinned)
        return std::unexpected{pinned.error()};
    Space space;
    space.data_ = data;
    space.root_ = mfn_of(l4);
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
