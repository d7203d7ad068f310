// The least worlds that the three hosts can stand in: no operating system, no heap, everything in arrays.
// Unit tests set what goes wrong; host_freestanding.cpp compiles the same for the bare machine.
#pragma once

#include "host/memory_host.hpp"
#include "host/random.hpp"
#include "host/ring_host.hpp"
#include "host/scheduler_host.hpp"

namespace bulkhead::host_test {

struct Plugin {
    const plugin::Descriptor* descriptor = nullptr;
};

// What every world keeps, and a test sets and reads.
struct Ground {
    static constexpr std::uint64_t most_regions = host::policy_sets * 4;

    RealTime now{};
    std::uint64_t random = 1;
    std::uint64_t regions = 0; // address of the first one
    bool (*back_page)(std::uint64_t address) = nullptr;
    void (*give_up)(const char* why) = nullptr; // does not return
    std::uint32_t refuse_every = 0;             // n-th request for a page; 0: none is refused
    std::uint32_t pages_asked = 0;

    std::uint32_t faulty_hook =
        ~std::uint32_t{0}; // its next call, unless it is the fallback's, ends in a fault
    plugin::Fault fault = plugin::Fault::trapped;

    landmark::PolicyReport report{};
    const char* why = nullptr; // of the last ejection
    std::uint32_t ejections = 0, forgotten = 0, changes = 0, took_over = 0;
};

template<class Kind, const plugin::Descriptor& (*fallback_descriptor)()>
struct World {
    using Plugin = host_test::Plugin;
    using Hook = typename Kind::Hook;

    Ground* ground;

    [[nodiscard]] RealTime now() const { return ground->now; }
    [[nodiscard]] std::uint64_t random() const { return host::next_random(ground->random); }
    static void note(std::uint64_t, std::uint64_t) {}
    static void kick(PcpuId) {}
    [[nodiscard]] static std::uint32_t policy_pcpus() { return 1; }
    [[nodiscard]] bool back_page(std::uint64_t address) const {
        if (ground->refuse_every != 0 && ++ground->pages_asked % ground->refuse_every == 0)
            return false;
        return ground->back_page(address);
    }
    [[nodiscard]] std::uint64_t region(std::uint32_t set, std::uint32_t number) const {
        static_assert(host::policy_sets * (Kind::pools + 1) <= Ground::most_regions);
        return ground->regions + (set * (Kind::pools + 1) + number) * host::region_bytes;
    }
    // The fault comes when the hook has done what it does: the worst moment.
    template<class Return, class... Formal, class... Actual>
    [[nodiscard]] host::Outcome<Return> call(const Plugin& plugin, Nanos, Hook hook, RealTime start,
                                             Return (*function)(Formal...), Actual&&... actual) const {
        host::Outcome<Return> outcome{plugin::Fault::none, start, {}};
        if constexpr (std::is_void_v<Return>)
            function(actual...);
        else
            outcome.answer = function(actual...);
        if (static_cast<std::uint32_t>(hook) == ground->faulty_hook && !is_built_in(plugin)) {
            ground->faulty_hook = ~std::uint32_t{0};
            outcome.fault = ground->fault;
        }
        return outcome;
    }
    [[nodiscard]] landmark::PolicyReport& report() const { return ground->report; }
    void count(Hook, Nanos took) const { host::count_hook(ground->report, took); }
    [[nodiscard]] static Plugin fallback() { return {&fallback_descriptor()}; }
    [[nodiscard]] static bool is_built_in(const Plugin& plugin) {
        return plugin.descriptor == &fallback_descriptor();
    }
    void changes(const Plugin*, const Plugin&) const { ++ground->changes; }
    static void serves(std::uint16_t) {}
    void takes_over(const Plugin&) const { ++ground->took_over; }
    void ejected(Hook, plugin::Fault, RealTime, const char* why) const {
        ground->why = why;
        ++ground->ejections;
    }
    [[noreturn]] void give_up(const char* why) const {
        ground->give_up(why);
        __builtin_trap();
    }
    void forget(void* object, std::uint32_t bytes) const {
        std::memset(object, 0xdd, bytes);
        ++ground->forgotten;
    }
};

// Two zones and some domains; the world counts frames for itself, so that a test can compare.
struct MemoryMachine {
    static constexpr std::uint32_t most_domains = 6;
    struct Domain {
        DomainId id;
        host::MemoryState memory;
        memctl::Frames of_zone[2];
    };
    memctl::Zone zones[2] = {{memctl::ZoneId{0}, memctl::Frames{600}, {}},
                             {memctl::ZoneId{1}, memctl::Frames{400}, {}}};
    Domain domains[most_domains];
    std::uint32_t targets_changed = 0;
};

struct MemoryWorld : World<host::MemoryKind, host::fallback_memory_policy> {
    using Domain = MemoryMachine::Domain;
    MemoryMachine* machine;

    [[nodiscard]] std::span<memctl::Zone> zones() const { return machine->zones; }
    static void take(Domain& domain, memctl::ZoneId zone, memctl::Frames count) {
        domain.of_zone[zone.value()] += count;
    }
    static memctl::ZoneId give_back(Domain& domain) {
        const std::uint16_t zone = domain.of_zone[0] > memctl::Frames{} ? 0 : 1;
        domain.of_zone[zone] -= memctl::Frames{1};
        return memctl::ZoneId{zone};
    }
    void target_changes(Domain&, memctl::Frames) const { ++machine->targets_changed; }
};

// A device that is done when the test says so.
struct RingMachine {
    static constexpr std::uint32_t most_rings = 6, most_depth = 4;
    struct Domain {
        DomainId id;
        host::RingDomainState io;
    };
    struct Ring {
        Domain* domain = nullptr;
        host::RingState queue;
    };
    struct Device {
        std::uint32_t most = 1, served = 0;
        Nanos time = milliseconds(1);
        host::Request* in_service[most_depth] = {}; // the oldest first
        [[nodiscard]] std::uint32_t depth() const { return most; }
        [[nodiscard]] Nanos estimate(const host::RequestFields&, bool) const { return time; }
        Nanos serve(host::Request& request, RealTime) {
            in_service[served++] = &request;
            return time;
        }
        [[nodiscard]] host::Request& finish() {
            host::Request* const first = in_service[0];
            --served;
            for (std::uint32_t i = 0; i < served; ++i)
                in_service[i] = in_service[i + 1];
            return *first;
        }
    };
    Domain domains[most_rings];
    Ring rings[most_rings];
    Device device;
    std::uint64_t taken = 0, done = 0; // requests
    std::uint64_t last_taken = 0;      // its number
};
static_assert(host::Device<RingMachine::Device>);

struct RingWorld : World<host::RingKind, host::fallback_ring_policy> {
    using Domain = RingMachine::Domain;
    using Ring = RingMachine::Ring;
    RingMachine* machine;

    [[nodiscard]] RingMachine::Device& device() const { return machine->device; }
    [[nodiscard]] Ring* ring_by_number(std::uint32_t number) const {
        return number < RingMachine::most_rings ? &machine->rings[number] : nullptr;
    }
    void taken(Ring&, const host::RequestFields& request) const {
        ++machine->taken;
        machine->last_taken = request.number;
    }
    void done(Ring&, const host::RequestFields&, Nanos) const { ++machine->done; }
};

// Two pCPUs and some vCPUs of one domain.
struct SchedulerMachine {
    static constexpr std::uint32_t most_vcpus = 100, most_pcpus = 2;
    struct Domain {
        DomainId id;
        host::DomainState sched;
    };
    struct Vcpu {
        VcpuId id;
        Domain* domain = nullptr;
        host::VcpuState sched;
    };
    struct Pcpu {
        PcpuId id;
        host::PcpuState sched;
    };
    Domain domain;
    Vcpu vcpus[most_vcpus];
    Pcpu pcpus[most_pcpus]{{.id = PcpuId{0}, .sched = {}}, {.id = PcpuId{1}, .sched = {}}};
    bool asked[most_pcpus] = {};
};

struct SchedulerWorld : World<host::SchedulerKind, host::fallback_scheduler> {
    using Domain = SchedulerMachine::Domain;
    using Vcpu = SchedulerMachine::Vcpu;
    using Pcpu = SchedulerMachine::Pcpu;
    SchedulerMachine* machine;

    [[nodiscard]] static std::uint32_t pcpu_count() { return SchedulerMachine::most_pcpus; }
    [[nodiscard]] Pcpu& pcpu(PcpuId id) const { return machine->pcpus[id.value()]; }
    [[nodiscard]] Vcpu* vcpu_in_slot(std::uint32_t slot) const {
        return slot < SchedulerMachine::most_vcpus ? &machine->vcpus[slot] : nullptr;
    }
    template<class Visit>
    void for_each_vcpu(Domain&, Visit visit) const {
        for (Vcpu& vcpu : machine->vcpus)
            visit(vcpu);
    }
    void request_dispatch(PcpuId id) const { machine->asked[id.value()] = true; }
    [[nodiscard]] bool is_asked(PcpuId id) const { return machine->asked[id.value()]; }
};

} // namespace bulkhead::host_test
