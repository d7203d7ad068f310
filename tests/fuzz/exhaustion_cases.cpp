#include "tests/fuzz/exhaustion_cases.hpp"

#include "abi/pae.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"
#include "hv/plugin/candidates.hpp"
#include "hv/trace/landmark.hpp"

#include <algorithm>

extern "C" {
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/vcpu.h>
}

namespace bulkhead::hv::whole {

namespace {

constexpr std::int64_t no_memory = -static_cast<std::int64_t>(Error::no_memory);
constexpr std::uint32_t small = 12; // frames of a domain that is built
constexpr std::uint64_t present = 1;

Vcpu& guest(std::uint16_t id = 1) { return *find_domain(DomainId{id})->vcpus[0]; }

Mfn frame_of(const Domain& domain, unsigned number) {
    Mfn mfn{domain.memory.frames.first};
    while (number-- > 0)
        mfn = Mfn{frame_table().at(mfn).next};
    return mfn;
}

template<class Request>
std::int64_t control_with(Scene& scene, control::Call call, Request& request) {
    Place place{dom0()};
    const auto at = place.put(request);
    const auto answer = scene.script.call(dom0(), control_call(call, at));
    std::memcpy(&request, reinterpret_cast<const void*>(at), sizeof request);
    return answer;
}

// --- Domains ---------------------------------------------------------------------------------------------

void initial_values(std::int64_t (&values)[plugin::max_domain_parameters], std::uint32_t candidate) {
    const auto& descriptor = *find_candidate(candidate)->plugin.descriptor;
    for (std::size_t i = 0; i < descriptor.domain_parameter_count; ++i)
        values[i] = descriptor.domain_parameters[i].initial;
}

template<std::uint32_t vcpus, bool pae = false, std::uint64_t frames = small>
std::int64_t create(Scene& scene) {
    control::CreateDomain request{};
    request.frames = frames;
    request.max_frames = frames == 1 ? 20 : frames + 40; // as much as many can have together, or more
    request.vcpus = vcpus;
    request.dilation = 1000;
    request.pae = pae;
    initial_values(request.sched_values, 0);
    initial_values(request.memory_values, first_memory_policy);
    const auto answer = control_with(scene, control::Call::create_domain, request);
    scene.built = request.id;
    return answer;
}

// `domid` gets so many extents from the caller.
std::int64_t reserve(Scene& scene, Vcpu& caller, unsigned command, std::uint16_t domid, std::uint32_t count,
                     unsigned order = 0) {
    Place place{caller};
    auto* const list = place.array<std::uint64_t>(count);
    for (std::uint32_t i = 0; i < count; ++i)
        list[i] = i << order;
    xen_memory_reservation_t request{};
    request.extent_start.p = list;
    request.nr_extents = count;
    request.extent_order = order;
    request.domid = domid;
    const auto answer = scene.script.call(caller, {__HYPERVISOR_memory_op, {command, place.put(request)}});
    scene.memory.assign(list, list + std::max<std::int64_t>(answer, 0));
    return answer == count ? 0 : answer < 0 ? answer : no_memory;
}

std::int64_t populate_built(Scene& scene) {
    return reserve(scene, dom0(), XENMEM_populate_physmap, scene.built, small);
}

void must(std::int64_t answer, const char* what) {
    Script::require(answer == 0, std::string{what} + " answers " + std::to_string(answer));
}

template<std::uint32_t vcpus, bool pae = false>
void build(Scene& scene) {
    must((create<vcpus, pae>(scene)), "a creation");
    must(populate_built(scene), "a population");
}

// Places of domains, 32 of which one table of the hypervisor's half maps.
std::int64_t fill_places(Scene& scene) {
    constexpr unsigned places = 32;
    const auto taken = [] {
        unsigned count = 0;
        for_each_domain([&](const Domain&) { ++count; });
        return count;
    };
    while (taken() < places)
        if (const auto answer = create<1, false, 1>(scene); answer != 0)
            return answer;
    return 0;
}

std::int64_t set_vcpu(Scene& scene, Mfn root) {
    Place place{dom0()};
    control::SetVcpu request{};
    request.domain = scene.built;
    request.context = place.put(context_of(root));
    return scene.script.call(dom0(), control_call(control::Call::set_vcpu, place.put(request)));
}

std::int64_t load(Scene& scene) {
    std::array<Mfn, small> frames;
    std::ranges::transform(std::span{scene.memory}.first<small>(), frames.begin(),
                           [](std::uint64_t number) { return Mfn{number}; });
    fill_tables(frames.data(), small);
    return set_vcpu(scene, frames[0]);
}

// Three levels, of which the last GiB's alone is there.
std::int64_t load_pae(Scene& scene) {
    const Mfn root{scene.memory[0]};
    machine::frame_as<std::uint64_t>(root)[3] = scene.memory[1] << page_shift | present;
    return set_vcpu(scene, root);
}

std::int64_t set_rings(Scene& scene) {
    control::SetRings request{};
    request.domain = scene.built;
    request.console_mfn = scene.memory[small - 1];
    return control_with(scene, control::Call::set_rings, request);
}

void build_and_run(Scene& scene) {
    build<2>(scene);
    must(load(scene), "a start");
    must(scene.script.call(dom0(), control_call(control::Call::unpause_domain, scene.built)), "an unpause");
}

std::int64_t start_second_vcpu(Scene& scene) {
    auto& self = guest(scene.built);
    Place place{self};
    const auto answer = scene.script.call(
        self, {__HYPERVISOR_vcpu_op, {VCPUOP_initialise, 1, place.put(context_of(self.tables.kernel_root))}});
    return answer != 0 ? answer : scene.script.call(self, {__HYPERVISOR_vcpu_op, {VCPUOP_up, 1}});
}

// --- 32-bit guests ---------------------------------------------------------------------------------------

template<class T>
T& in_narrow_arena(std::uint64_t offset = 0) {
    return *::new (reinterpret_cast<void*>(narrow_arena + offset)) T{};
}
constexpr std::uint64_t list_offset = page_bytes;

void build_and_run_narrow(Scene& scene) {
    build<2, true>(scene);
    must(load_pae(scene), "a start");
    must(scene.script.call(dom0(), control_call(control::Call::unpause_domain, scene.built)), "an unpause");
}

std::int64_t increase_narrow(Scene& scene, std::uint32_t count, std::uint32_t order) {
    auto& request = in_narrow_arena<pae_abi::MemoryReservation>();
    in_narrow_arena<std::array<std::uint32_t, 8>>(list_offset);
    request.extent_start = narrow_arena + list_offset;
    request.nr_extents = count;
    request.extent_order = order;
    request.domid = DOMID_SELF;
    const auto answer = scene.script.call(
        guest(scene.built), {__HYPERVISOR_memory_op, {XENMEM_increase_reservation, narrow_arena}});
    return answer == count ? 0 : answer < 0 ? answer : no_memory;
}
std::int64_t increase_narrow(Scene& scene) {
    const auto answer = increase_narrow(scene, 3, 0);
    return answer != 0 ? answer : increase_narrow(scene, 1, 2);
}

std::int64_t start_second_narrow_vcpu(Scene& scene) {
    auto& context = in_narrow_arena<pae_abi::VcpuGuestContext>();
    for (auto& trap : context.traps)
        trap.address = 0x1000;
    context.head.user_regs.eip = 0x1000;
    context.tail.ctrlreg[3] = static_cast<std::uint32_t>(scene.memory[0] << page_shift);
    return scene.script.call(guest(scene.built),
                             {__HYPERVISOR_vcpu_op, {VCPUOP_initialise, 1, narrow_arena}});
}

// --- Guests ----------------------------------------------------------------------------------------------

void nothing(Scene&) {}

// More than a page of ports has.
std::int64_t take_ports(Scene& scene) {
    for (unsigned i = 0; i < 300; ++i) {
        Place place{guest()};
        evtchn_alloc_unbound_t request{};
        request.dom = DOMID_SELF;
        request.remote_dom = 2;
        if (const auto answer = scene.script.call(
                guest(), {__HYPERVISOR_event_channel_op, {EVTCHNOP_alloc_unbound, place.put(request)}});
            answer != 0)
            return answer;
    }
    return 0;
}

std::int64_t grow_grants(Scene& scene) {
    constexpr std::uint32_t wanted = 8;
    Place place{guest()};
    gnttab_setup_table_t request{};
    request.dom = DOMID_SELF;
    request.nr_frames = wanted;
    request.frame_list.p = place.array<xen_pfn_t>(wanted);
    const auto at = place.put(request);
    const auto answer =
        scene.script.call(guest(), {__HYPERVISOR_grant_table_op, {GNTTABOP_setup_table, at, 1}});
    const auto status = reinterpret_cast<const gnttab_setup_table_t*>(at)->status;
    return answer != 0 ? answer : status == GNTST_okay ? 0 : no_memory;
}

std::int64_t map_grant(Scene& scene) {
    constexpr std::uint32_t ref = 20;
    const auto& lender = *guest(2).domain;
    machine::frame_as<grant_entry_v1_t>(lender.grants.frames[0])[ref] = {
        .flags = GTF_permit_access,
        .domid = 1,
        .frame = static_cast<std::uint32_t>(frame_of(lender, 10).value())};
    Place place{guest()};
    gnttab_map_grant_ref_t request{};
    request.flags = GNTMAP_host_map;
    request.host_addr = std::uint64_t{100} << page_shift;
    request.ref = ref;
    request.dom = 2;
    const auto at = place.put(request);
    const auto answer =
        scene.script.call(guest(), {__HYPERVISOR_grant_table_op, {GNTTABOP_map_grant_ref, at, 1}});
    const auto status = reinterpret_cast<const gnttab_map_grant_ref_t*>(at)->status;
    return answer != 0 ? answer : status == GNTST_okay ? 0 : status == GNTST_no_space ? no_memory : status;
}

std::int64_t populate(Scene& scene) {
    return reserve(scene, guest(), XENMEM_populate_physmap, DOMID_SELF, 4);
}
std::int64_t take_run(Scene& scene) {
    return reserve(scene, guest(), XENMEM_increase_reservation, DOMID_SELF, 1, 3);
}
std::int64_t take_extent(Scene& scene) {
    return reserve(scene, dom0(), XENMEM_populate_physmap, scene.built, 1, extent_order);
}
std::int64_t increase(Scene& scene) {
    return reserve(scene, guest(), XENMEM_increase_reservation, DOMID_SELF, 3);
}
std::int64_t exchange(Scene& scene) {
    Place place{guest()};
    auto* const in = place.array<std::uint64_t>(3);
    auto* const out = place.array<std::uint64_t>(3);
    std::ranges::copy(scene.memory, in);
    for (unsigned i = 0; i < 3; ++i)
        out[i] = 30 + i;
    xen_memory_exchange_t request{};
    request.in.extent_start.p = in;
    request.out.extent_start.p = out;
    request.in.nr_extents = request.out.nr_extents = 3;
    request.in.domid = request.out.domid = DOMID_SELF;
    const auto at = place.put(request);
    const auto answer = scene.script.call(guest(), {__HYPERVISOR_memory_op, {XENMEM_exchange, at}});
    const auto done = reinterpret_cast<const xen_memory_exchange_t*>(at)->nr_exchanged;
    for (std::uint64_t i = 0; i < done; ++i)
        scene.memory[i] = out[i];
    return answer;
}

// --- Devices and policies --------------------------------------------------------------------------------

void make_front(Scene& scene) { scene.guest = std::make_unique<Guest>(scene.script, std::uint16_t{1}); }

template<Device device, std::uint32_t number = 1>
std::int64_t connect_one(Scene& scene) {
    const auto port = scene.guest->front.waiting_port();
    const auto answer = connect(scene.script, *scene.guest, device, number);
    if (answer == 0)
        scene.guest->front.connected(device, number, port);
    return answer;
}

void connect_both(Scene& scene) {
    make_front(scene);
    must(connect_one<Device::disk>(scene), "a disk");
    scene.guest->prepare();
    must(connect_one<Device::interface>(scene), "an interface");
}

template<std::uint32_t candidate>
std::int64_t swap(Scene& scene) {
    return scene.script.call(dom0(), control_call(control::Call::swap_policy, candidate));
}

template<std::uint32_t candidate>
void swap_back(Scene& scene) { // the policy that is swapped in has served before
    must(swap<candidate>(scene), "a swap");
    must(swap<candidate - 1>(scene), "a swap");
}

// The next hook of a policy that is not built in fails, and domain 0 goes on with its call.
std::int64_t eject(Scene& scene, std::int64_t (*call)(Scene&)) {
    const auto before = misconducts();
    misconduct(Misconduct::traps);
    const auto answer = call(scene);
    return answer == 0 && misconducts() == before ? 1 : answer;
}
std::int64_t let_pass(Scene& scene) {
    scene.script.let_pass(milliseconds(40));
    return 0;
}
bool is_ejected(plugin::Kind kind) {
    return landmark_page().policies[static_cast<unsigned>(kind) - 1].ejected != 0;
}
std::int64_t eject_scheduler(Scene& scene) {
    const auto answer = eject(scene, let_pass);
    return is_ejected(plugin::Kind::scheduler) ? 0 : answer;
}
void lose_scheduler(Scene& scene) {
    make_front(scene);
    must(eject_scheduler(scene), "an ejection");
}
// The policies of memory and of the switch are asked by these calls.
std::int64_t eject_memory_policy(Scene& scene) {
    const auto answer = eject(scene, populate);
    return is_ejected(plugin::Kind::memory) ? 0 : answer;
}
std::int64_t eject_ring_policy(Scene& scene) {
    const auto answer = eject(scene, connect_one<Device::interface>);
    return is_ejected(plugin::Kind::ring) ? 0 : answer;
}

constexpr unsigned any_number = ~0U;

constexpr Case cases[] = {
    {"a creation with one vCPU", nothing, create<1>, false, 1}, // pages are not sampled
    {"a creation with 32 vCPUs", nothing, create<max_vcpus>, false, 1},
    {"creations", nothing, fill_places, true, 28},
    {"a creation whose place needs a table", [](Scene& s) { must(fill_places(s), "a creation"); },
     create<1, false, 1>, false, 1},
    {"the first creation with 32 bits", nothing, create<2, true>, true, 1}, // tables of all such domains stay
    {"another creation with 32 bits", build<1, true>, create<2, true>, false, 1},
    {"a population of a new domain", [](Scene& s) { must(create<1>(s), "a creation"); }, populate_built,
     true},
    {"an extent of a new domain", [](Scene& s) { must((create<1, false, 700>(s)), "a creation"); },
     take_extent, true},
    {"the start of a vCPU", build<1>, load, true},
    {"the start of a vCPU with 32 bits", build<1, true>, load_pae, true},
    {"rings of the console and the store", build<1>, set_rings, true},
    {"the start of a second vCPU", build_and_run, start_second_vcpu, true},
    {"the start of a second vCPU with 32 bits", build_and_run_narrow, start_second_narrow_vcpu, true},
    {"an increase with 32 bits", build_and_run_narrow, increase_narrow, true},
    {"ports", nothing, take_ports, true},
    {"a larger table of grants", nothing, grow_grants, true},
    {"a mapping of a grant", nothing, map_grant},
    {"a population", nothing, populate, true},
    {"an increase", nothing, increase, true},
    {"a run of frames", nothing, take_run},
    {"an exchange", [](Scene& s) { must(increase(s), "an increase"); }, exchange, true},
    {"a disk", make_front, connect_one<Device::disk>},
    {"an interface", make_front, connect_one<Device::interface>},
    {"an interface whose place needs a table", make_front,
     connect_one<Device::interface, most_interfaces - 1>},
    {"a swap of schedulers", connect_both, swap<1>},
    {"another swap of schedulers", swap_back<2>, swap<3>},
    {"a swap of ring policies", connect_both, swap<policies + 1>},
    {"another swap of ring policies", connect_both, swap<policies + 2>},
    {"a swap of memory policies", nothing, swap<first_memory_policy + 1>},
    {"another swap of memory policies", nothing, swap<first_memory_policy + 2>},
    {"an ejection of a scheduler", connect_both, eject_scheduler, true, any_number},
    {"an ejection of a memory policy", lose_scheduler, eject_memory_policy, true, any_number},
    {"an ejection of a ring policy", lose_scheduler, eject_ring_policy, true, any_number},
    {"timers and rebalances", connect_both, let_pass, true, any_number},
};

} // namespace

std::span<const Case> exhaustion_cases() { return cases; }

} // namespace bulkhead::hv::whole
