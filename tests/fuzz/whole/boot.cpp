#include "tests/fuzz/whole/boot.hpp"

#include "abi/promise.hpp"
#include "hv/arch/address_space.hpp"
#include "hv/arch/context.hpp"
#include "hv/arch/descriptors.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/remote.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/run.hpp"
#include "hv/domain/life.hpp"
#include "hv/domain/vcpu_context.hpp"
#include "hv/io/disk.hpp"
#include "hv/io/net.hpp"
#include "hv/mm/frame.hpp"
#include "hv/plugin/candidates.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/loader.hpp"
#include "hv/plugin/memory_policy.hpp"
#include "hv/plugin/net_rings.hpp"
#include "hv/plugin/random.hpp"
#include "hv/plugin/rings.hpp"
#include "hv/plugin/scheduler.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/ring.hpp"
#include "tests/fuzz/allocations.hpp"
#include "tests/fuzz/blocks.hpp"
#include "tests/fuzz/whole/fronts.hpp"
#include "tests/fuzz/whole/pcpus.hpp"
#include "tests/fuzz/whole/processor.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <sys/mman.h>
#include <vector>

extern "C" char __start_hv_bss[], __stop_hv_bss[], __start_hv_data[], __stop_hv_data[];

namespace bulkhead::hv::whole {

void (*on_refusal)(const char* why) = nullptr;

namespace {

constexpr std::uint64_t records = 16, record_bytes = records * sizeof(trace::Record);
constexpr std::uint32_t ledger_entries = 64;
constexpr std::uint64_t frames_of_zones = 2 * extent_frames;
constexpr Nanos duration = milliseconds(100'000'000);

Size size{};
std::uint64_t free_then = 0, half_then = 0;

[[noreturn]] void refuse(const char* why) {
    if (on_refusal != nullptr)
        on_refusal(why);
    std::fprintf(stderr, "the machine does not start: %s\n", why);
    std::abort();
}

// The disks' contents are blank.
void make_disks(EarlyMemory& early) {
    for (std::uint32_t i = 0; i < disks; ++i)
        add_disk(reinterpret_cast<std::byte*>(layout::direct_map + early.take(disk_bytes)),
                 disk_bytes / ringctl::sector_bytes, i + 1 == disks);
}

void start_memory() {
    constexpr auto first =
        (landmark::physical_address + sizeof(landmark::Page) + page_bytes - 1) & ~(page_bytes - 1);
    std::memset(reinterpret_cast<void*>(layout::direct_map), 0xa5, ram_bytes); // RAM is never clean
    start_landmark();
    EarlyMemory early{{first, ram_bytes}};
    const std::array ram{MemoryRange{0, ram_bytes}};
    start_address_space(early, ram);
    const auto ledger = early.take(ledger_entries * sizeof(landmark::LedgerEntry));
    start_landmark_tables(reinterpret_cast<landmark::LedgerEntry*>(layout::direct_map + ledger),
                          ledger_entries);
    start_trace({.groups = 0, .drained = false});
    for (unsigned i = 0; i < size.pcpus; ++i)
        start_ring(pcpu(PcpuId{static_cast<std::uint16_t>(i)}),
                   reinterpret_cast<trace::Record*>(layout::direct_map + early.take(record_bytes)), records);
    if (size.rings)
        make_disks(early);
    free_remaining_memory(early, ram);
    frame_table().keep_reserve(promise::reserve);
}

// So many of a folder, evenly in the order of their names.
void load_some(const char* folder, plugin::Kind kind, std::uint32_t first, std::uint32_t count) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{folder})
        if (entry.path().extension() == ".so")
            files.push_back(entry.path());
    if (files.size() < count)
        refuse("there are not enough policies");
    std::ranges::sort(files);
    static std::vector<std::vector<std::int64_t>> values;
    for (std::uint32_t i = 0; i < count; ++i) {
        std::ifstream in{files[i * (files.size() / count)], std::ios::binary};
        const std::vector<char> bytes{std::istreambuf_iterator<char>{in}, {}};
        const auto loaded = load_plugin(std::as_bytes(std::span{bytes}), kind);
        if (!loaded)
            refuse("a policy is refused");
        auto& initial = values.emplace_back();
        for (std::uint64_t p = 0; p < loaded->descriptor->parameter_count; ++p)
            initial.push_back(loaded->descriptor->parameters[p].initial);
        add_candidate(first + i, {*loaded, initial.data()});
    }
}

void load_policies() {
    load_some(BULKHEAD_SCHEDULER_FOLDER, plugin::Kind::scheduler, 0, policies);
    const auto& first = *find_candidate(0);
    scheduler::start(&first.plugin, first.values);
}

// The drive begins with the fallback, the switch with a policy that was loaded.
void start_rings() {
    load_some(BULKHEAD_RING_FOLDER, plugin::Kind::ring, policies, ring_policies);
    rings::start({.request = microseconds(50),
                  .seek = microseconds(200),
                  .bytes_per_us = 400,
                  .depth = 2,
                  .sectors = sectors_of_all_disks()},
                 true, nullptr, nullptr);
    start_switch({.link = {.bytes_per_us = 125, .delay = microseconds(10)}, .buffer = 16});
    for (std::uint32_t i = 0; i < (size.zones != 0 ? most_interfaces : interfaces); ++i) {
        const auto own = address_of_interface(i);
        if (!add_interface(0, device::Mac::of(std::as_bytes(std::span{own}))))
            refuse("an interface's address is taken");
    }
    const auto& first = *find_candidate(policies);
    net_rings::start({.request = microseconds(2), .seek = Nanos{0}, .bytes_per_us = 1250}, &first.plugin,
                     first.values);
}

// Pages of each domain are sampled. Two extents are cut into zones.
void start_memory_policy() {
    load_some(BULKHEAD_MEMORY_FOLDER, plugin::Kind::memory, first_memory_policy, memory_policies);
    const auto& first = *find_candidate(first_memory_policy);
    memory_policy::start(first.plugin, first.values,
                         {.frames = frames_of_zones,
                          .zones = size.zones,
                          .zone_kind = ZoneKind::parts,
                          .period = milliseconds(10),
                          .samples = 8,
                          .seed = 1,
                          .by_force = false});
}

// As build_dom0() does: in one go, without the calls of a builder.
void build(const char* name, bool privileged, std::uint32_t vcpus) {
    DomainSpec spec{.name = {},
                    .privileged = privileged,
                    .frames = dom0_frames,
                    .max_frames = 2 * dom0_frames,
                    .vcpus = vcpus,
                    .weight = 0,
                    .cap = 0,
                    .time = {manifest::TimeMode::real, 1000}};
    std::strncpy(spec.name, name, sizeof spec.name - 1);
    const auto domain = create_domain(spec);
    if (!domain || !furnish_domain(**domain, spec))
        refuse("no memory for a domain");
    for (Result<> created = fail(Error::restart); !created;)
        if (created = create_vcpus(**domain); !created && created.error() != Error::restart)
            refuse("no memory for vCPUs");
    std::array<Mfn, dom0_frames> frames;
    for (auto& mfn : frames) {
        const auto fresh = frame_table().allocate(**domain);
        if (!fresh)
            refuse("no memory for a domain's pages");
        mfn = *fresh;
        machine::set_m2p(mfn, static_cast<std::uint64_t>(&mfn - frames.data()));
    }
    fill_tables(frames.data(), frames.size());
    const auto context = context_of(frames[0]);
    auto& vcpu = *(*domain)->vcpus[0];
    for (Result<> loaded = fail(Error::restart); !loaded;)
        if (loaded = load_context(vcpu, context); !loaded && loaded.error() != Error::restart)
            refuse("a domain's page tables are not acceptable");
    vcpu.sched.online = true;
    (*domain)->life = control::Life::running;
    unpause_all(**domain);
}

void start() {
    start_memory();
    start_descriptors();
    seed_random(1);
    load_policies();
    if (size.rings)
        start_rings();
    devices::start();
    prepare_run(duration);
    build("dom0", true, 1);
    if (size.zones != 0)
        start_memory_policy();
    free_then = frame_table().free_frames();
    half_then = frames_of_half();
    for (std::uint32_t i = 0; i < size.guests; ++i)
        build("guest", false, size.vcpus);
    begin_run();
}

// In turn on every pCPU: what start_secondary() does.
void become_a_pcpu() {
    load_idle_root();
    become_reachable();
    start_ledger(machine::now());
    give_way(Where::guest);
}

// What a run changes of the machine. Frames that are free are cleared before anybody gets them.
struct Saved {
    std::vector<char> variables, data;
    std::vector<std::uint64_t> frames;
    std::vector<std::byte> contents;
    std::int64_t clock;
} saved;

// Byte by byte: between the variables lie gaps that the sanitizer guards.
[[clang::no_sanitize("address"), gnu::noinline]] void copy(char* to, const char* from, std::size_t bytes) {
    for (std::size_t i = 0; i + 8 <= bytes; i += 8)
        *reinterpret_cast<volatile std::uint64_t*>(to + i) =
            *reinterpret_cast<const volatile std::uint64_t*>(from + i);
    for (std::size_t i = bytes & ~std::size_t{7}; i < bytes; ++i)
        *const_cast<volatile char*>(to + i) = from[i];
}

std::byte* frame(std::uint64_t number) {
    return reinterpret_cast<std::byte*>(layout::direct_map + number * page_bytes);
}

void save() {
    saved.variables.resize(static_cast<std::size_t>(__stop_hv_bss - __start_hv_bss));
    saved.data.resize(static_cast<std::size_t>(__stop_hv_data - __start_hv_data));
    copy(saved.variables.data(), __start_hv_bss, saved.variables.size());
    copy(saved.data.data(), __start_hv_data, saved.data.size());
    for (std::uint64_t i = 0; i < ram_frames; ++i)
        if (const auto* known = frame_table().find(Mfn{i}); known == nullptr || known->references() != 0) {
            saved.frames.push_back(i);
            saved.contents.insert(saved.contents.end(), frame(i), frame(i) + page_bytes);
        }
    saved.clock = clock_now();
    keep_control_registers();
}

void restore() {
    copy(__start_hv_bss, saved.variables.data(), saved.variables.size());
    copy(__start_hv_data, saved.data.data(), saved.data.size());
    for (std::size_t i = 0; i < saved.frames.size(); ++i)
        std::memcpy(frame(saved.frames[i]), saved.contents.data() + i * page_bytes, page_bytes);
    set_clock(saved.clock);
    restore_control_registers();
    misconduct(Misconduct::none);
    test::fail_in(0);
    test::alarm_at = 0;
    std::memset(reinterpret_cast<void*>(arena), 0, arena_bytes);
    std::memset(reinterpret_cast<void*>(narrow_arena), 0, narrow_arena_bytes);
}

void map_for_guests(std::uint64_t at, std::uint64_t bytes) {
    if (::mmap(reinterpret_cast<void*>(at), bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
        refuse("no addresses for guests");
}

} // namespace

void begin_machine(const Size& wanted) {
    on_guest_flush = nullptr;
    if (size.pcpus == 0) {
        size = wanted;
        make_memory();
        map_for_guests(arena, arena_bytes);
        map_for_guests(narrow_arena, narrow_arena_bytes);
        make_pcpus(size.pcpus);
        on_first_pcpu(start);
        start_pcpus(become_a_pcpu);
        for (unsigned i = 0; i < size.pcpus; ++i)
            resume(i);
        save();
    } else {
        restore();
    }
    forget_translations();
    static_cast<void>(stale_translation()); // from here on every pCPU may hold what is mapped
}

std::uint64_t free_at_start() { return free_then; }
std::uint64_t half_at_start() { return half_then; }

void fill_tables(const Mfn* frames, std::uint32_t number) {
    constexpr std::uint32_t tables = 4;
    constexpr std::uint64_t read_only = 5, all = 7;
    const auto words = [&](std::uint32_t i) { return machine::frame_as<std::uint64_t>(frames[i]); };
    for (std::uint32_t i = 0; i + 1 < tables; ++i)
        words(i)[0] = frames[i + 1].value() << page_shift | all;
    words(0)[window] = frames[0].value() << page_shift | read_only;
    for (std::uint32_t i = 0; i < number; ++i)
        words(tables - 1)[i] = frames[i].value() << page_shift | (i < tables ? read_only : all);
}

vcpu_guest_context_t context_of(Mfn root) {
    vcpu_guest_context_t context{};
    for (std::uint32_t i = 0; i < 256; ++i)
        context.trap_ctxt[i] = {static_cast<std::uint8_t>(i), 3, FLAT_KERNEL_CS64, arena};
    context.user_regs.rip = arena;
    context.user_regs.cs = FLAT_KERNEL_CS64;
    context.user_regs.rflags = 0x200;
    context.user_regs.rsp = context.kernel_sp = stack_of_guests;
    context.user_regs.ss = FLAT_KERNEL_SS64;
    context.kernel_ss = FLAT_KERNEL_SS64;
    context.event_callback_eip = context.failsafe_callback_eip = context.syscall_callback_eip = arena;
    context.ctrlreg[3] = root.value() << page_shift;
    context.flags = VGCF_in_kernel | VGCF_online;
    return context;
}

} // namespace bulkhead::hv::whole
