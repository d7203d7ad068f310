#include "tests/fuzz/whole/processor.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace bulkhead::hv::whole {

std::function<void(PcpuId, Mfn)> on_guest_flush;

namespace {

constexpr std::uint64_t present = 1, writable = 2, large = 0x80, frame_bits = 0x000ffffffffff000,
                        processor_bits = 0x60, no_execute = 1ULL << 63, region_bytes = 2 << 20;

int memory = -1;
std::int64_t passed = 0; // besides blocks
struct ControlRegisters {
    std::uint64_t fault_address = 0;                           // CR2
    std::array<std::uint64_t, most_pcpus> roots{}, features{}; // CR3, CR4
} control, control_at_start;
bool half_in_motion = true;     // since the last look at it
std::set<std::uint64_t> mapped; // pages of the half, in this program
struct sigaction former_handler{};

using Leaves = std::array<std::uint64_t, 512>;
std::map<std::uint64_t, std::array<Leaves, most_pcpus>> held; // by region of 2 MiB: what each pCPU may hold

const std::uint64_t* table(std::uint64_t entry) {
    return reinterpret_cast<const std::uint64_t*>(layout::direct_map + (entry & frame_bits));
}

// Asked of the hypervisor once, because what it runs is counted.
std::uint64_t root() {
    static std::uint64_t known = 0;
    if (known == 0)
        known = idle_root().value() << page_shift;
    return known;
}

// The 512 leaves of a region of 2 MiB of the half; nullptr if there is no such table.
const std::uint64_t* leaves(std::uint64_t region) {
    std::uint64_t entry = root();
    if (entry == 0)
        return nullptr;
    for (unsigned level = 4; level > 1; --level) {
        entry = table(entry)[(region >> (3 + 9 * level)) & 511];
        if ((entry & present) == 0 || (entry & large) != 0)
            return nullptr;
    }
    return table(entry);
}

std::uint64_t leaf(std::uint64_t address) {
    const auto* all = leaves(address);
    return all != nullptr ? all[(address >> page_shift) & 511] : 0;
}

// visit(address of the region, its 512 entries), and `on_table` for each table on the way.
template<class Visit, class OnTable>
void walk(std::uint64_t entry, unsigned level, std::uint64_t address, Visit visit, OnTable on_table) {
    on_table((entry & frame_bits) >> page_shift);
    const auto* entries = table(entry);
    if (level == 1)
        return visit(address, entries);
    for (std::uint64_t i = 0; i < 512; ++i)
        if ((entries[i] & present) != 0 && (entries[i] & large) == 0)
            walk(entries[i], level - 1, address | i << (3 + 9 * level), visit, on_table);
}

unsigned self() { return machine::this_pcpu().value(); }

void drop_here(unsigned pcpu) {
    for (auto& [region, views] : held)
        std::copy_n(leaves(region), 512, views[pcpu].begin());
}

bool map_on_fault(std::uint64_t address, bool write) {
    const auto page = address & ~(page_bytes - 1);
    const auto entry = leaf(page);
    const auto frame = (entry & frame_bits) >> page_shift;
    if ((entry & present) == 0 || frame >= ram_frames || (write && (entry & writable) == 0))
        return false;
    const int access =
        PROT_READ | ((entry & writable) != 0 ? PROT_WRITE : 0) | ((entry & no_execute) == 0 ? PROT_EXEC : 0);
    mapped.insert(page);
    half_in_motion = true;
    return ::mmap(reinterpret_cast<void*>(page), page_bytes, access, MAP_SHARED | MAP_FIXED, memory,
                  static_cast<off_t>(frame * page_bytes)) != MAP_FAILED;
}

void on_fault(int, siginfo_t* info, void* context) {
    const auto address = reinterpret_cast<std::uint64_t>(info->si_addr);
    constexpr greg_t was_write = 2;
    const bool write = (static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & was_write) != 0;
    const bool ours = address >= layout::hypervisor_start && address < layout::hypervisor_end;
    if (!ours || !map_on_fault(address, write))
        ::sigaction(SIGSEGV, &former_handler, nullptr); // it faults again, and is reported
}

// And not a guest's, of its descriptor tables.
bool is_hypervisors(Mfn mfn) {
    const auto* frame = frame_table().find(mfn);
    return frame != nullptr && frame->belongs_to(Owner::hypervisor());
}

void unmap(std::uint64_t page) {
    if (mapped.erase(page) != 0)
        ::mmap(reinterpret_cast<void*>(page), page_bytes, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

void require(bool good, const char* what) {
    if (good)
        return;
    std::perror(what);
    std::abort();
}

} // namespace

void make_memory() {
    control.features.fill(cpu::cr4::pge); // as start_processor() does
    memory = ::memfd_create("ram", 0);
    require(memory >= 0 && ::ftruncate(memory, ram_bytes) == 0, "no memory file");
    const auto half = layout::hypervisor_end - layout::hypervisor_start;
    require(::mmap(reinterpret_cast<void*>(layout::hypervisor_start), half, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0) != MAP_FAILED,
            "no addresses for the hypervisor");
    require(::mmap(reinterpret_cast<void*>(layout::direct_map), ram_bytes, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_FIXED, memory, 0) != MAP_FAILED,
            "no direct map");
    struct sigaction handler{};
    handler.sa_sigaction = on_fault;
    handler.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    require(::sigaction(SIGSEGV, &handler, &former_handler) == 0, "no handler");
}

void keep_control_registers() { control_at_start = control; }
void restore_control_registers() { control = control_at_start; }

void forget_translations() {
    while (!mapped.empty())
        unmap(*mapped.begin());
    held.clear();
}

std::int64_t clock_now() { return passed + static_cast<std::int64_t>(blocks) * block_ns; }
void set_fault_address(std::uint64_t address) { control.fault_address = address; }
void pass(std::int64_t ns) { passed += ns; }
void set_clock(std::int64_t ns) { passed = ns - static_cast<std::int64_t>(blocks) * block_ns; }

std::string stale_translation() {
    std::string found;
    half_in_motion = false;
    walk(
        root(), 4, 0,
        [&](std::uint64_t region, const std::uint64_t* entries) {
            auto& views = held[region];
            for (unsigned pcpu = 0; pcpu < pcpu_count(); ++pcpu) {
                auto& view = views[pcpu];
                if (std::equal(view.begin(), view.end(), entries))
                    continue;
                for (std::uint64_t i = 0; i < 512; ++i)
                    if ((view[i] & present) != 0 && ((view[i] ^ entries[i]) & ~processor_bits) != 0)
                        found = "pCPU " + std::to_string(pcpu) + " holds an old translation of page " +
                                std::to_string((region >> page_shift) + i);
                std::copy_n(entries, 512, view.begin());
            }
        },
        [](std::uint64_t) {});
    return found;
}

bool is_half_in_motion() { return half_in_motion; }

bool reached_by_hypervisor(Mfn mfn) {
    for (const auto& [region, views] : held)
        for (unsigned pcpu = 0; pcpu < pcpu_count(); ++pcpu)
            for (const auto entry : views[pcpu])
                if ((entry & present) != 0 && (entry & frame_bits) >> page_shift == mfn.value())
                    return true;
    return false;
}

std::uint64_t frames_of_half() {
    std::set<std::uint64_t> frames;
    walk(
        root(), 4, 0,
        [&](std::uint64_t, const std::uint64_t* entries) {
            for (unsigned i = 0; i < 512; ++i)
                if (const auto frame = (entries[i] & frame_bits) >> page_shift;
                    (entries[i] & present) != 0 && is_hypervisors(Mfn{frame}))
                    frames.insert(frame);
        },
        [&](std::uint64_t frame) { frames.insert(frame); });
    return frames.size();
}

} // namespace bulkhead::hv::whole

namespace bulkhead::hv {

using namespace whole;

namespace cpu {

std::uint64_t read_cr3() { return control.roots[self()]; }
void write_cr3(std::uint64_t value) {
    control.roots[self()] = value;
    if (on_guest_flush)
        on_guest_flush(machine::this_pcpu(), Mfn{value >> page_shift});
}
std::uint64_t read_cr4() { return control.features[self()]; }
void write_cr4(std::uint64_t value) { // a change of PGE drops all translations, global ones too
    if (((control.features[self()] ^ value) & cr4::pge) != 0) {
        drop_here(self());
        write_cr3(control.roots[self()]);
    }
    control.features[self()] = value;
}
void invlpg(std::uint64_t address) {
    const auto page = address & ~(page_bytes - 1);
    if (page < layout::hypervisor_start || page >= layout::hypervisor_end)
        return;
    half_in_motion = true;
    unmap(page);
    if (const auto views = held.find(page & ~(region_bytes - 1)); views != held.end())
        views->second[self()][(page >> page_shift) & 511] = leaf(page);
}
std::uint64_t read_cr2() { return control.fault_address; }

} // namespace cpu

namespace machine {

std::uint64_t tsc() { return static_cast<std::uint64_t>(clock_now()); }
RealTime now() { return RealTime{clock_now()}; }
RealTime time_of(std::uint64_t value) { return RealTime{static_cast<std::int64_t>(value)}; }
Nanos length_of(std::uint64_t ticks) { return Nanos{static_cast<std::int64_t>(ticks)}; }
TscScale tsc_scale() { return {.hz = 1'000'000'000, .origin = 0, .mul = 0x80000000, .shift = 1}; }

} // namespace machine
} // namespace bulkhead::hv
