// Ring 0 as a world of host/ring_host.hpp: what the host of ring policies asks of the hypervisor. Everything
// is called with the drive lock held.
#pragma once

#include "device/disk.hpp"
#include "host/ring_host.hpp"
#include "hv/arch/layout.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/io/block_seats.hpp"
#include "hv/plugin/guard.hpp"
#include "hv/plugin/loader.hpp"
#include "hv/plugin/random.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/trace.hpp"

namespace bulkhead::hv {

struct RingWorld {
    using Plugin = LoadedPlugin;
    using Ring = BlockRing;
    using Domain = BlockTenant;

    device::DiskDrive* drive;

    [[nodiscard]] static RealTime now() { return machine::now(); }
    [[nodiscard]] static std::uint64_t random() { return next_random(); }
    static void note(std::uint64_t code, std::uint64_t value) {
        trace_event(trace::Event::policy_note, code, value);
    }
    static void kick(PcpuId) {}
    [[nodiscard]] static std::uint32_t policy_pcpus() { return 0; }
    [[nodiscard]] static bool back_page(std::uint64_t address);
    // Tables for the beginning of every region, at boot: what opens the first ring is short.
    static void reserve_regions();
    [[nodiscard]] static std::uint64_t region(std::uint32_t set, std::uint32_t number) {
        constexpr std::uint64_t first = 128,
                                regions_of_set = host::RingKind::pools + 1; // beyond other kinds'
        return layout::policy_memory + (first + set * regions_of_set + number) * host::region_bytes;
    }
    template<class Return, class... Formal, class... Actual>
    [[nodiscard]] static host::Outcome<Return> call(const LoadedPlugin& plugin, Nanos budget, ringctl::Hook,
                                                    RealTime start, Return (*function)(Formal...),
                                                    Actual&&... actual) {
        return guarded(plugin.text, budget, start, function, actual...);
    }
    [[nodiscard]] static landmark::PolicyReport& report() { return landmark_page().policies[2]; }
    static void count(ringctl::Hook, Nanos took) { host::count_hook(report(), took); }
    [[nodiscard]] static LoadedPlugin fallback() { return {&host::fallback_ring_policy(), {}}; }
    [[nodiscard]] static bool is_built_in(const LoadedPlugin& plugin) { return plugin.text.end == 0; }
    static void changes(const LoadedPlugin*, const LoadedPlugin&) {}
    static void serves(std::uint16_t) {} // a loop over services is found by the clock
    static void takes_over(const LoadedPlugin& plugin);
    static void ejected(ringctl::Hook hook, plugin::Fault fault, RealTime at, const char* why);
    [[noreturn]] static void give_up(const char* why) { machine::panic(why); }

    [[nodiscard]] device::DiskDrive& device() const { return *drive; }
    [[nodiscard]] static Ring* ring_by_number(std::uint32_t number) { return hv::ring_by_number(number); }
    static void taken(const Ring& ring, const host::RequestFields& request) {
        trace_event(trace::Event::ring_request, *ring.guest, name_of(ring, request), request.bytes);
    }
    static void done(Ring& ring, const host::RequestFields& request, Nanos service) {
        trace_event(trace::Event::ring_complete, *ring.guest, name_of(ring, request),
                    static_cast<std::uint64_t>(service.count()));
        drive_is_done(ring, request);
    }
    static void forget(void*, std::uint32_t) {} // stays mapped for the next one

    [[nodiscard]] static std::uint64_t name_of(const Ring& ring, const host::RequestFields& request) {
        return std::uint64_t{ring.queue.number} << 32 | (request.number & 0xffffffff);
    }
};

} // namespace bulkhead::hv
