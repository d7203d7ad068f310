// What the smallest kernel of 32 bits needs of the ABI: hypercalls by INT 0x82, traps, its memory, a console.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/xen.h>
}

namespace bulkhead::guest_pae {

// As the entries leave it on the stack. `esp` and `ss` are there only if ring 3 was interrupted.
struct Frame {
    uint32_t edi, esi, ebp, unused, ebx, edx, ecx, eax;
    uint32_t vector, error, eip, cs, eflags, esp, ss;
    [[nodiscard]] bool from_user() const { return (cs & 3) == 3; }
};
inline constexpr uint32_t event_vector = 0x100, failsafe_vector = 0x101;

// The program's own. `on_trap` may change the frame; the interrupted code goes on with it.
void run(const start_info& info);
void on_trap(Frame& frame);

// The result is -1 for a number that no call has, and so on: negative errors as in <xen/errno.h>.
inline int32_t hypercall(uint32_t number, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0, uint32_t d = 0,
                         uint32_t e = 0) {
    int32_t result;
    asm volatile("int $0x82"
                 : "=a"(result), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e)
                 : "a"(number)
                 : "memory");
    return result;
}
template<class T>
uint32_t address(T* object) {
    return reinterpret_cast<uint32_t>(object);
}

void say(const char* text);
void say(const char* text, uint32_t number); // and a number, in hexadecimal, at the end
[[noreturn]] void shut_down(uint32_t reason);

// Registers every trap from 0 to 31, and 32 for ring 3's INT; the event callback; and a stack for entries
// from ring 3.
void set_entries();

// The machine frame behind an address of the kernel, whose addresses are its memory's.
[[nodiscard]] uint32_t frame_of(uint32_t at);
inline constexpr uint32_t present = 1, writable = 2, user = 4;
[[nodiscard]] inline int32_t map(uint32_t at, uint32_t frame, uint32_t flags) {
    return hypercall(__HYPERVISOR_update_va_mapping, at, frame << 12 | flags, frame >> 20, UVMF_INVLPG);
}
// Machine address of the entry that maps `at`, and the frame of the L1 that it is in.
[[nodiscard]] uint64_t entry_of(uint32_t at);

[[nodiscard]] shared_info& shared();
[[nodiscard]] const start_info& info();

} // namespace bulkhead::guest_pae
