// From the first instruction in C++ to the first guest, step by step. Everything is built here once, in this
// order.
#include "abi/manifest.hpp"
#include "abi/promise.hpp"
#include "hv/arch/address_space.hpp"
#include "hv/arch/apic.hpp"
#include "hv/arch/clock.hpp"
#include "hv/arch/descriptors.hpp"
#include "hv/arch/features.hpp"
#include "hv/arch/halt.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/rest.hpp"
#include "hv/arch/turns.hpp"
#include "hv/arch/usercopy.hpp"
#include "hv/base/late.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/calls/steering.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/dispatch/leave.hpp"
#include "hv/dispatch/run.hpp"
#include "hv/entry/build_dom0.hpp"
#include "hv/entry/multiboot.hpp"
#include "hv/entry/processors.hpp"
#include "hv/io/console.hpp"
#include "hv/io/disk.hpp"
#include "hv/io/net.hpp"
#include "hv/io/net_capture.hpp"
#include "hv/io/uplink.hpp"
#include "hv/mm/frame.hpp"
#include "hv/mm/linear.hpp"
#include "hv/plugin/candidates.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/memory_policy.hpp"
#include "hv/plugin/net_rings.hpp"
#include "hv/plugin/random.hpp"
#include "hv/plugin/real_rings.hpp"
#include "hv/plugin/rings.hpp"
#include "hv/plugin/scheduler.hpp"
#include "hv/plugin/strict.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/ring.hpp"
#include "hv/trace/trace.hpp"
#include "image/bytes.hpp"
#include "plugin/refusal.hpp"

#include <algorithm>
#include <optional>

extern "C" {
extern char image_end[];
extern char boot_stack_top[];
[[noreturn]] void enter_first_guest(bulkhead::hv::Vcpu* vcpu);
}

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t ledger_entries = 4096;

constinit Late<Pcpu> pcpus[landmark::max_pcpus + 1]; // and the keeper of turns

using Bytes = std::span<const std::byte>;

void start_boot_pcpu() { *reinterpret_cast<Pcpu**>(boot_stack_top) = &make_pcpu(PcpuId{0}); }

Bytes manifest_bytes(const BootFacts& facts) {
    const auto size = facts.manifest.end - facts.manifest.start;
    return {reinterpret_cast<const std::byte*>(layout::direct_map + facts.manifest.start), size};
}

// A header whose tables and blobs may be read: everything else checks its own span.
const manifest::Header& check_manifest(Bytes bytes) {
    if (bytes.size() < sizeof(manifest::Header))
        machine::panic("no manifest: start the hypervisor through the command `bulkhead`");
    const auto& header = *reinterpret_cast<const manifest::Header*>(bytes.data());
    if (header.magic != manifest::magic)
        machine::panic("the first boot module is not a manifest");
    if (header.version != manifest::version || header.header_bytes != sizeof(manifest::Header))
        machine::panic(
            "the manifest was made for another version of the hypervisor: rebuild with `bulkhead build`");
    if (header.total_bytes > bytes.size())
        machine::panic("the manifest is cut short");
    return header;
}

// The RAM after the image and all modules, where early memory is taken from.
EarlyMemory find_early_memory(const BootFacts& facts) {
    const std::uint64_t image_top = reinterpret_cast<std::uint64_t>(image_end) - layout::image;
    const auto modules = std::span{facts.modules}.first(facts.module_count);
    const auto modules_top =
        std::ranges::max(modules, {}, &MemoryRange::end).end; // the manifest is one, so there is one
    const auto top = (std::max(image_top, modules_top) + page_bytes - 1) & ~(page_bytes - 1);
    for (std::size_t i = 0; i < facts.ram_count; ++i)
        if (facts.ram[i].start < top && top < facts.ram[i].end)
            return EarlyMemory{{top, facts.ram[i].end}};
    machine::out_of_memory("the machine has too little memory: give it more (--mem)");
}

void start_trace_and_ledger(EarlyMemory& early, const manifest::Header& header) {
    const auto ledger = early.take(ledger_entries * sizeof(landmark::LedgerEntry));
    start_landmark_tables(reinterpret_cast<landmark::LedgerEntry*>(layout::direct_map + ledger),
                          ledger_entries);
    start_trace({.groups = header.trace_mask, .drained = header.drained != 0});
    for (std::uint32_t i = 0; i < pcpu_count(); ++i) {
        const auto records = early.take_as_it_is(header.trace_bytes); // readers go by the count of records
        start_ring(*pcpus[i], reinterpret_cast<trace::Record*>(layout::direct_map + records),
                   header.trace_bytes / sizeof(trace::Record));
    }
    landmark_page().seed = header.seed;
    landmark_page().clock_hz = machine::tsc_scale().hz;
    landmark_page().clock_origin = machine::tsc_scale().origin;
    trace_event(trace::Event::run_start, trace::schema_version, machine::tsc_scale().hz);
}

template<class T>
std::span<const T> table(Bytes bytes, std::uint64_t offset, std::uint64_t count) {
    if (count > 65536 || offset > bytes.size() || count * sizeof(T) > bytes.size() - offset)
        machine::panic("a table of the manifest leaves it");
    return {reinterpret_cast<const T*>(bytes.data() + offset), count};
}

std::expected<LoadedPlugin, plugin::Refusal> load_policy(Bytes bytes, const manifest::Policy& policy) {
    if (policy.object.offset > bytes.size() || policy.object.bytes > bytes.size() - policy.object.offset)
        machine::panic("a policy's object leaves the manifest");
    return load_plugin(bytes.subspan(policy.object.offset, policy.object.bytes),
                       static_cast<plugin::Kind>(policy.kind));
}

plugin::Sentence refused(const manifest::Policy& policy, const plugin::Refusal& refusal) {
    static_assert(sizeof policy.name == plugin::longest_name + 1);
    plugin::Sentence made;
    made.add("policy ");
    made.add(image::text_before_zero(std::as_bytes(std::span{policy.name})));
    made.add(": ");
    made.add(plugin::sentence(refusal).view());
    return made;
}

bool is_supported(const manifest::Policy& policy) {
    return policy.kind == static_cast<std::uint32_t>(plugin::Kind::scheduler) ||
           policy.kind == static_cast<std::uint32_t>(plugin::Kind::memory) ||
           policy.kind == static_cast<std::uint32_t>(plugin::Kind::ring);
}

// All that are refused are named before the run ends.
void load_policies(Bytes bytes, const manifest::Header& header) {
    const auto policies = table<manifest::Policy>(bytes, header.policies, header.policy_count);
    std::optional<plugin::Sentence> refusal;
    for (std::uint32_t i = 0; i < policies.size(); ++i) {
        if (!is_supported(policies[i]))
            continue;
        const auto loaded = load_policy(bytes, policies[i]);
        if (loaded) {
            add_candidate(i, {*loaded, policies[i].parameters});
            continue;
        }
        const auto why = refused(policies[i], loaded.error());
        if (refusal)
            log("%s\n", why.c_str());
        else
            refusal = why; // said at the end of the run
    }
    if (refusal)
        end_run(landmark::Exit::bad_input, refusal->c_str());
}

// The first one of its kind in the manifest begins; the others may be taken into service later. nullptr: the
// fallback does.
const Candidate* first_of(plugin::Kind kind) {
    for (std::uint32_t i = 0; i < max_candidates; ++i)
        if (const auto* candidate = find_candidate(i);
            candidate != nullptr && candidate->plugin.descriptor->kind == kind)
            return candidate;
    return nullptr;
}

void start_scheduler() {
    const auto* first = first_of(plugin::Kind::scheduler);
    scheduler::start(first != nullptr ? &first->plugin : nullptr, first != nullptr ? first->values : nullptr);
}

// Its frames are what is free for guests, without what the hypervisor will need for those of the manifest.
void start_memory_policy(Bytes bytes, const manifest::Header& header) {
    const auto* first = first_of(plugin::Kind::memory);
    if (first == nullptr)
        return;
    auto kept = promise::reserve;
    for (const auto& guest : table<manifest::Guest>(bytes, header.guests, header.guest_count)) {
        const auto frames = guest.memory_bytes / page_bytes;
        kept += promise::whole(frames, guest.vcpus) - frames;
    }
    const auto free = frame_table().free_frames();
    const auto most = header.memory_frames != 0 ? header.memory_frames : free;
    memory_policy::start(first->plugin, first->values,
                         {.frames = std::min(free - std::min(free, kept), most),
                          .zones = header.memory_zones,
                          .zone_kind = header.memory_colours != 0 ? ZoneKind::colours : ZoneKind::parts,
                          .period = Nanos{header.memory_period},
                          .samples = header.memory_samples,
                          .seed = header.seed,
                          .by_force = header.memory_force != 0});
}

// Contents come from a module, where they stay, or from early memory, which is blank.
void start_disks(EarlyMemory& early, Bytes bytes, const manifest::Header& header, const BootFacts& facts) {
    const auto disks = table<manifest::Disk>(bytes, header.disks, header.disk_count);
    if (disks.empty())
        return;
    const auto places = early.take(disks.size() * sizeof(landmark::DiskContents));
    landmark_page().disks_physical = places;
    auto* place = reinterpret_cast<landmark::DiskContents*>(layout::direct_map + places);
    for (const auto& disk : disks) {
        auto& own = *place++;
        if (disk.slot != 0) {
            add_real_disk(static_cast<std::uint8_t>(std::min(disk.slot, 255U)),
                          disk.bytes / ringctl::sector_bytes, disk.read_only != 0);
            continue;
        }
        const MemoryRange module =
            disk.module < facts.module_count ? facts.modules[disk.module] : MemoryRange{0, 0};
        if (disk.module != 0 && module.end - module.start < disk.bytes)
            machine::panic("a disk's contents are missing: the boot loader must pass them as a module");
        own = {disk.module != 0 ? module.start : early.take(disk.bytes), disk.bytes};
        add_disk(reinterpret_cast<std::byte*>(layout::direct_map + own.physical),
                 disk.bytes / ringctl::sector_bytes, disk.read_only != 0);
    }
}

void start_rings(const manifest::Header& header) {
    const auto* const first = first_of(plugin::Kind::ring);
    if (first == nullptr && header.disk_count == 0)
        return;
    const device::Disk model{.request = Nanos{header.drive.request},
                             .seek = Nanos{header.drive.seek},
                             .bytes_per_us = std::max<std::int64_t>(header.drive.bytes_per_us, 1),
                             .depth = std::max(header.drive.depth, 1U),
                             .sectors = sectors_of_all_disks(),
                             .flush = Nanos{std::max<std::int64_t>(header.drive.flush, 0)},
                             .stroke = Nanos{std::max<std::int64_t>(header.drive.stroke, 0)},
                             .channels = header.drive.channels,
                             .program = Nanos{std::max<std::int64_t>(header.drive.program, 0)},
                             .erase = Nanos{std::max<std::int64_t>(header.drive.erase, 0)},
                             .erase_bytes = header.drive.erase_bytes};
    const auto* const plugin = first != nullptr ? &first->plugin : nullptr;
    const auto* const values = first != nullptr ? first->values : nullptr;
    rings::start(model, header.drive.unbilled == 0, plugin, values);
    if (is_any_disk_real())
        real_rings::start(model, plugin, values);
}

void start_network(Bytes bytes, const manifest::Header& header) {
    if (header.interface_count == 0)
        return;
    const auto& given = header.network;
    const device::Link link{.bytes_per_us = std::max<std::int64_t>(given.link_bytes_per_us, 1),
                            .delay = Nanos{given.delay}};
    start_switch({.link = link, .buffer = given.buffer});
    if (header.drained != 0)
        start_capture();
    for (const auto& each : table<manifest::Interface>(bytes, header.interfaces, header.interface_count)) {
        if (!add_interface(each.network, {each.mac}))
            machine::panic("two network interfaces have one address, or there are more than 256");
        capture_port(machine_switch().ports() - 1, each.captured);
    }
    if (header.uplink_slot != 0)
        uplink::start(header.uplink_slot, header.uplink_network);
    const auto* const first = first_of(plugin::Kind::ring);
    net_rings::start({.request = Nanos{given.packet},
                      .seek = Nanos{0},
                      .bytes_per_us = std::max<std::int64_t>(given.bytes_per_us, 1)},
                     first != nullptr ? &first->plugin : nullptr, first != nullptr ? first->values : nullptr);
}

void set_terminal(Bytes bytes, const manifest::Header& header) {
    const auto guests = table<manifest::Guest>(bytes, header.guests, header.guest_count);
    if (header.terminal == 0 || header.terminal > guests.size())
        return;
    const auto& name = guests[header.terminal - 1].name;
    console_set_terminal({name, static_cast<std::size_t>(std::ranges::find(name, '\0') - name)});
}

} // namespace

Pcpu& pcpu(PcpuId id) { return *pcpus[id.value()]; }
Pcpu& make_pcpu(PcpuId id) {
    auto& made = pcpus[id.value()].make();
    made.id = id;
    return made;
}
PcpuId machine::this_pcpu() { return pcpu().id; }
bool machine::should_preempt(RealTime& now) {
    const auto& self = pcpu();
    const auto tick = tsc();
    now = time_of(tick);
    return tick - self.section_start - self.waited > self.section_budget || now >= self.expires;
}

bool machine::should_preempt() {
    RealTime now;
    return should_preempt(now);
}

extern "C" [[noreturn]] void start(std::uint32_t magic, std::uint32_t information) {
    start_boot_pcpu();
    const auto facts = magic == multiboot_magic ? read_multiboot(information) : BootFacts{};
    start_landmark(); // may overwrite what the loader left in low memory
    start_steering();
    start_processor();
    if (magic != multiboot_magic)
        machine::panic("not started by a multiboot loader");
    const auto manifest = manifest_bytes(facts);
    const auto& header = check_manifest(manifest);
    choose_processors(header.pcpus, header.clock_hz != 0);
    start_clock(header.clock_hz);
    start_halting();
    auto early = find_early_memory(facts);
    start_address_space(early, {facts.ram.data(), facts.ram_count});
    start_trace_and_ledger(early, header);
    reserve_stacks(early);
    start_disks(early, manifest, header, facts);
    free_remaining_memory(early, {facts.ram.data(), facts.ram_count});
    frame_table().keep_reserve(promise::reserve);
    start_descriptors();
    load_descriptors();
    if (header.guard == manifest::Guard::strict) {
        strict::start(pcpu_count());
        strict::start_here();
    }
    start_apic();
    log("Bulkhead: %u pCPUs, %lu MiB, clock %lu Hz, SMEP %s, SMAP %s\n", pcpu_count(),
        (frame_table().free_frames() * page_bytes) >> 20, machine::tsc_scale().hz,
        features().smep ? "on" : "absent", features().smap ? "on" : "absent");
    seed_random(header.seed);
    set_wall_clock(header.wall_clock);
    console_set_rate(header.console_rate);
    set_linear_tables(header.no_linear_tables == 0);
    start_copies();
    set_terminal(manifest, header);
    load_policies(manifest, header);
    start_scheduler();
    start_rings(header);
    start_network(manifest, header);
    devices::start();
    landmark_page().ram_frames = frame_table().size();
    landmark_page().free_frames_at_boot = frame_table().free_frames();
    build_dom0(manifest, header);
    prepare_run(Nanos{header.duration});
    start_memory_policy(manifest, header);
    landmark_page().state = landmark::State::running;
    start_other_processors();
    if (are_there_turns())
        start_resting(header.parallel != 0);
    release_processors(); // the ledgers open when the first guest may run; start-up is unbilled
    enter_first_guest(&leave_hypervisor(pcpu()));
}

} // namespace bulkhead::hv
