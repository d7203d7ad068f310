#include "guest/pae/kernel.hpp"

extern "C" {
extern char trap_entries[], event_entry[], failsafe_entry[], trap_stack_end[];
void start(const start_info* info);
void enter_kernel(bulkhead::guest_pae::Frame* frame);
alignas(4096) char shared_page[4096];
}

namespace bulkhead::guest_pae {

namespace {

constexpr uint32_t kernel_code = 0xe019, kernel_data = 0xe021;
constexpr uint32_t trap_bytes = 16, trap_count = 33;
const start_info* started_with = nullptr;

uint32_t length(const char* text) {
    uint32_t n = 0;
    while (text[n] != 0)
        ++n;
    return n;
}

void write(const char* text, uint32_t bytes) {
    hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, bytes, address(text));
}

} // namespace

void say(const char* text) {
    write(text, length(text));
    write("\n", 1);
}

void say(const char* text, uint32_t number) {
    char digits[10] = {' '};
    for (int i = 0; i < 8; ++i)
        digits[8 - i] = "0123456789abcdef"[number >> 4 * i & 15];
    digits[9] = '\n';
    write(text, length(text));
    write(digits, sizeof digits);
}

void shut_down(uint32_t reason) {
    sched_shutdown request{reason};
    for (;;)
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&request));
}

void set_entries() {
    static trap_info table[trap_count + 1];
    for (uint32_t i = 0; i < trap_count; ++i) {
        const bool open = i == 3 || i == 4 || i == 32;
        table[i].vector = static_cast<uint8_t>(i);
        table[i].flags = static_cast<uint8_t>((open ? 3 : 0) | 4);
        table[i].cs = kernel_code;
        table[i].address = address(trap_entries) + i * trap_bytes;
    }
    hypercall(__HYPERVISOR_set_trap_table, address(table));
    hypercall(__HYPERVISOR_set_callbacks, kernel_code, address(event_entry), kernel_code,
              address(failsafe_entry));
    hypercall(__HYPERVISOR_stack_switch, kernel_data, address(trap_stack_end));
}

uint32_t frame_of(uint32_t at) { return reinterpret_cast<const uint32_t*>(info().mfn_list)[at >> 12]; }

uint64_t entry_of(uint32_t at) {
    // The tables are mapped, root first; an L3, then an L2 for each GiB that is mapped, then L1s. The first
    // GiB's are first.
    const auto* l2 = reinterpret_cast<const uint64_t*>(info().pt_base + 4096);
    const auto l1 = l2[at >> 21] & 0x000ffffffffff000;
    return l1 + (at >> 12 & 511) * 8;
}

shared_info& shared() { return *reinterpret_cast<shared_info*>(shared_page); }
const start_info& info() { return *started_with; }

} // namespace bulkhead::guest_pae

using namespace bulkhead::guest_pae;

void enter_kernel(Frame* frame) { on_trap(*frame); }

void start(const start_info* info) {
    started_with = info;
    set_entries();
    if (map(address(shared_page), info->shared_info >> 12, present | writable) != 0) {
        say("the shared page cannot be mapped");
        shut_down(SHUTDOWN_crash);
    }
    run(*info);
    shut_down(SHUTDOWN_poweroff);
}
