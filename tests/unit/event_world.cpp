// The doubles: hv/arch's machine, the dispatcher's wake, the trace, and the table of domains.

#include "event_world.hpp"

#include "hv/arch/machine.hpp"
#include "hv/trace/trace.hpp"

#include <cstdio>
#include <cstdlib>

namespace bulkhead::hv {

namespace {
test::World* world = nullptr;
}

namespace test {

World::World(std::uint64_t frames)
    : guest(1 << 16), frames_(frames), storage_{std::make_unique<std::byte[]>((frames + 1) * page_bytes)} {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.get());
    memory = storage_.get() + (page_bytes - address % page_bytes) % page_bytes;
    world = this;
    frame_table() = FrameTable{};
    frame_table().start(frames_.data(), frames);
    frame_table().add_free(Mfn{1}, frames - 1);
}

World::~World() { world = nullptr; }

Domain& World::add_domain(const char* name, std::uint32_t vcpus, bool privileged) {
    domains.push_back(std::make_unique<Domain>());
    Domain& domain = *domains.back();
    domain.id = DomainId{static_cast<std::uint16_t>(domains.size() - 1)};
    std::snprintf(domain.name, sizeof domain.name, "%s", name);
    domain.privileged = privileged;
    domain.life = control::Life::running;
    domain.max_frames = 256;
    domain.max_metadata = 256;
    domain.shared_frame = *frame_table().allocate_for_hypervisor();
    domain.shared = machine::frame_as<shared_info_t>(domain.shared_frame);
    frame_table().share(domain.shared_frame, domain);
    for (std::uint32_t i = 0; i < vcpus; ++i) {
        vcpus_.push_back(std::make_unique<Vcpu>());
        Vcpu& vcpu = *vcpus_.back();
        vcpu.domain = &domain;
        vcpu.id = VcpuId{static_cast<std::uint16_t>(i)};
        vcpu.info = &domain.shared->vcpu_info[i];
        vcpu.in_kernel = true;
        domain.vcpus[i] = &vcpu;
    }
    domain.vcpu_count = vcpus;
    if (!domain.events.start(domain))
        std::abort();
    return domain;
}

void World::remove_domain(Domain& domain) {
    for (auto& held : domains)
        if (held.get() == &domain)
            held.reset();
}

} // namespace test

Domain* find_domain(DomainId id) {
    return id.value() < world->domains.size() ? world->domains[id.value()].get() : nullptr;
}

std::uint32_t domain_id_limit() { return static_cast<std::uint32_t>(world->domains.size()); }

Result<Domain*> resolve_domain(Domain& caller, std::uint16_t id) {
    if (id == DOMID_SELF || id == caller.id.value())
        return &caller;
    if (!caller.privileged)
        return fail(Error::permission);
    Domain* domain = find_domain(DomainId{id});
    return domain == nullptr ? Result<Domain*>{fail(Error::no_domain)} : domain;
}

Result<void*> Domain::allocate_metadata() {
    if (metadata == max_metadata)
        return fail(Error::no_memory);
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame)
        return fail(frame.error());
    ++metadata;
    return machine::frame_data(*frame);
}

void Domain::free_metadata(void* page) {
    frame_table().free_for_hypervisor(machine::frame_of(page));
    --metadata;
}

void wake_vcpu(Vcpu& vcpu, WakeCause) { world->woken.push_back(&vcpu); }
Vcpu* current_vcpu() { return nullptr; }
void trace_event(trace::Event, const Domain*, const Vcpu*, std::uint64_t, std::uint64_t) {
    ++world->trace_records;
}

namespace machine {

namespace {

std::byte* guest_bytes(GuestAddress at, std::size_t bytes) {
    const std::uint64_t offset = at.value() - test::World::guest_base;
    if (offset > world->guest.size() || bytes > world->guest.size() - offset)
        return nullptr;
    return world->guest.data() + offset;
}

} // namespace

RealTime now() { return RealTime{world->now}; }
PcpuId this_pcpu() { return PcpuId{0}; }
void* frame_data(Mfn mfn) { return world->memory + mfn.value() * page_bytes; }
Mfn frame_of(const void* at) {
    return Mfn{static_cast<std::uint64_t>(static_cast<const std::byte*>(at) - world->memory) / page_bytes};
}

bool copy_from_guest(void* to, GuestAddress from, std::size_t bytes) {
    const std::byte* found = guest_bytes(from, bytes);
    if (found != nullptr)
        std::memcpy(to, found, bytes);
    return found != nullptr;
}
bool copy_to_guest(GuestAddress to, const void* from, std::size_t bytes) {
    std::byte* found = guest_bytes(to, bytes);
    if (found != nullptr)
        std::memcpy(found, from, bytes);
    return found != nullptr;
}

bool compare_exchange_entry(std::uint64_t* entry, std::uint64_t expected, std::uint64_t desired) {
    return __atomic_compare_exchange_n(entry, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void flush_tlb() {}
void flush_tlb_page(GuestAddress) {}
void load_root(Mfn) {}
void install_hypervisor_slots(std::uint64_t* l4) { std::memset(l4 + 256, 0, 16 * sizeof *l4); }
void set_m2p(Mfn, std::uint64_t) {}
std::uint64_t get_m2p(Mfn) { return m2p_invalid; }
void map_descriptors(std::uint32_t, bool, const Mfn*, std::uint32_t) {}
void put_console(char byte) { world->serial += byte; }

void panic(const char* message) {
    std::fprintf(stderr, "panic: %s\n", message);
    std::abort();
}

bool should_preempt() {
    ++world->preempt_asked;
    return world->preempt_every != 0 && world->preempt_asked % world->preempt_every == 0;
}

} // namespace machine

} // namespace bulkhead::hv
