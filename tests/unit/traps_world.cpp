// The double of everything that traps and emulation call.
#include "tests/unit/traps_world.hpp"

#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/io/console.hpp"
#include "hv/mm/paging.hpp"
#include "hv/trace/trace.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/seams.hpp"

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace bulkhead::hv {
namespace test {
namespace {

Guest* current = nullptr;

} // namespace

Guest& guest() {
    if (!current)
        std::abort();
    return *current;
}

void Guest::require(bool mapped) {
    if (!mapped)
        std::abort();
}

Guest::Guest() : domain_{std::make_unique<Domain>()}, vcpu_{std::make_unique<Vcpu>()} {
    current = this;
    auto& v = *vcpu_;
    v.domain = domain_.get();
    v.info = &info;
    v.entries.handlers = table.data();
    v.processor.in_kernel = true;
    v.tables.kernel_root = Mfn{100};
    v.tables.user_root = Mfn{200};
    v.entries.kernel_sp = kernel_stack;
    v.entries.kernel_ss = FLAT_KERNEL_SS64;
    for (unsigned i = 0; i < table.size(); ++i)
        table[i] = {handler(i), FLAT_KERNEL_CS64, 3, false};
    v.entries.event_callback = {handlers + 0x2000, true};
    v.entries.failsafe_callback = {handlers + 0x2100, false};
    v.entries.syscall_callback = {handlers + 0x2200, false};
    for (const auto page : {kernel_code, kernel_stack - page_bytes, user_code, user_stack - page_bytes})
        map(page);
    v.regs.rip = kernel_code;
    v.regs.cs = FLAT_KERNEL_CS64;
    v.regs.ss = FLAT_KERNEL_SS64;
    v.regs.rsp = kernel_stack - 0x100;
    v.regs.rflags = rflags::interrupt | rflags::fixed;
    describe_processor(cpuid);
}

Guest::~Guest() { current = nullptr; }

void Guest::in_user_mode() {
    vcpu_->processor.in_kernel = false;
    regs().rip = user_code;
    regs().rsp = user_stack - 0x100;
}

void Guest::map(std::uint64_t address, bool writable) {
    for (auto& space : spaces_)
        space[address >> page_shift].writable = writable;
}

void Guest::unmap(std::uint64_t address) {
    for (auto& space : spaces_)
        space.erase(address >> page_shift);
}

void Guest::code(std::initializer_list<int> bytes) {
    auto at = regs().rip;
    for (const auto byte : bytes)
        poke(at++, static_cast<std::uint8_t>(byte));
}

bool Guest::access(std::uint64_t address, void* data, std::size_t bytes, bool write, bool forced) {
    for (std::size_t i = 0; i < bytes; ++i) {
        const auto at = address + i;
        if (!forced && !is_guest_address(at))
            return false;
        const auto apply = [&](Space& space) {
            const auto found = space.find(at >> page_shift);
            if (found == space.end() || (write && !forced && !found->second.writable))
                return false;
            auto& byte = found->second.bytes[at % page_bytes];
            auto& mine = static_cast<std::uint8_t*>(data)[i];
            (write ? byte : mine) = write ? mine : byte;
            return true;
        };
        if (forced && write && !apply(spaces_[!vcpu_->processor.in_kernel]))
            return false;
        if (!apply(spaces_[vcpu_->processor.in_kernel]))
            return false;
    }
    return true;
}

void describe_processor(std::map<std::uint64_t, CpuidLeaf>& cpuid) {
    constexpr std::uint32_t all = 0xffffffff;
    const auto leaf = [&](std::uint32_t number, std::uint32_t sub, CpuidLeaf value) {
        cpuid[std::uint64_t{number} << 32 | sub] = value;
    };
    leaf(0, 0, {0x16, 0x68747541, 0x444d4163, 0x69746e65});
    leaf(1, 0, {0x000306c3, 0xff100800, all, all});
    leaf(4, 0, {0xfc004121, 1, 2, 3});
    leaf(7, 0, {2, all, all, all});
    leaf(0xb, 0, {1, 8, 0x100, 5});
    leaf(13, 0, {0xff, 0x380, 0xa80, 0});
    leaf(13, 1, {0xf, 0x340, 0x100, 0});
    leaf(13, 2, {0x100, 0x240, 0, 0});
    leaf(13, 5, {0x40, 0x440, 0, 0});
    leaf(0x80000000, 0, {0x8000001f, 1, 2, 3});
    leaf(0x80000001, 0, {0x000306c3, all, all, all});
    leaf(0x80000007, 0, {all, all, all, all});
    leaf(0x80000008, 0, {0x3928, all, all, all});
    leaf(0x8000000a, 0, {all, all, all, all});
}

} // namespace test

using test::guest;

CpuidLeaf host_cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
    const auto found = guest().cpuid.find(std::uint64_t{leaf} << 32 | subleaf);
    return found == guest().cpuid.end() ? CpuidLeaf{} : found->second;
}

namespace machine {
bool copy_from_guest(void* to, GuestAddress from, std::size_t bytes) {
    return guest().access(from.value(), to, bytes, false);
}
bool copy_to_guest(GuestAddress to, const void* from, std::size_t bytes) {
    return guest().access(to.value(), const_cast<void*>(from), bytes, true);
}
void* frame_data(Mfn) { return guest().descriptors.data(); }
PcpuId this_pcpu() { return PcpuId{0}; }
void wait_a_little() {}
void wait_at_rest() {}
void panic(const char* message) { throw std::logic_error{message}; }
TscScale tsc_scale() { return {2'000'000'000, 0, 0x80000000, 0}; }
bool should_preempt() { return guest().preempt; }
void flush_tlb_page(GuestAddress address) { guest().flushed.push_back(address.value()); }
} // namespace machine

void toggle_guest_mode(Vcpu& vcpu) {
    vcpu.processor.in_kernel = !vcpu.processor.in_kernel;
    ++guest().toggles;
}
void block_current() { ++guest().blocks; }
void crash_domain(Domain&, const char* why) {
    if (!guest().crash)
        guest().crash = why;
}
Result<void*> Domain::allocate_metadata() {
    if (memory.metadata == memory.max_metadata)
        return fail(Error::no_memory);
    ++memory.metadata;
    return static_cast<void*>(guest().table.data());
}

void save_segment_bases(Vcpu&) {}
void load_segment_bases(const Vcpu&) { ++guest().base_loads; }
void set_fs_base(Vcpu& vcpu, std::uint64_t base) {
    vcpu.processor.fs_base = base;
    ++guest().base_loads;
}
void set_kernel_gs_base(Vcpu& vcpu, std::uint64_t base) {
    vcpu.processor.gs_base_kernel = base;
    ++guest().base_loads;
}
void save_selectors(Vcpu& vcpu) { vcpu.processor.selectors = {0x1b, 0x23, 0x2b, 0x33}; }
bool load_user_gs(Vcpu&, std::uint16_t) { return guest().gs_usable; }
void load_debug_registers(const Vcpu&) { ++guest().debug_loads; }
std::uint64_t take_debug_status() { return std::exchange(guest().debug_status, 0); }
void apply_task_switched(const Vcpu&) { ++guest().ts_changes; }
bool handle_device_not_available(Vcpu& vcpu) {
    return !std::exchange(vcpu.processor.task_switched, false) && guest().fpu_loads;
}
std::uint64_t guest_tsc(const Vcpu&) { return 0x123456789abcdef0; }
std::uint64_t host_page_attributes() { return 0x0007040600070406; }

Result<> settle(Domain&) { return guest().debt ? Result<>{fail(*guest().debt)} : Result<>{}; }
Result<> set_kernel_root(Vcpu& vcpu, Mfn root, bool) {
    if (guest().root_error)
        return fail(*guest().root_error);
    guest().roots_set.push_back(root);
    vcpu.tables.kernel_root = root;
    return {};
}
Result<> set_pae_root(Vcpu& vcpu, Mfn root, bool) {
    vcpu.tables.pae_root = root;
    return {};
}
Result<bool> emulate_pte_write(Vcpu&, GuestAddress at, std::uint64_t value, unsigned bytes,
                               std::optional<std::uint64_t>) {
    guest().page_table_writes.push_back({at.value(), value, bytes});
    return guest().page_table_answer;
}

} // namespace bulkhead::hv
