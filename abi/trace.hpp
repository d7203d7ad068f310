// The trace: one record format and one table of events. The hypervisor writes it, Python reads it, and the
// reference page is generated from it. The format has no second description.
#pragma once

#include "abi/types.hpp"

#include <array>
#include <bit>
#include <cstddef>

namespace bulkhead::trace {

inline constexpr std::uint32_t schema_version = 1;

// A record names its event, domain and vCPU; the table below names `a` and `b` for each event.
struct Record {
    std::int64_t time;    // RealTime, ns
    std::uint16_t event;  // enum Event
    std::uint16_t domain; // no_domain if the event belongs to no domain
    std::uint16_t vcpu;
    std::uint16_t pcpu; // where it was recorded
    std::uint64_t a;
    std::uint64_t b;
};
static_assert(sizeof(Record) == 32);

inline constexpr std::uint16_t no_domain = 0xffff;

// `domain` and `vcpu` as they stand in the word that begins with `event`.
struct Who {
    std::uint64_t bits;
    constexpr Who(DomainId domain, VcpuId vcpu)
        : bits{std::uint64_t{domain.value()} << 16 | std::uint64_t{vcpu.value()} << 32} {}
};
inline constexpr Who nobody{DomainId{no_domain}, VcpuId{0}};
static_assert(std::endian::native == std::endian::little && offsetof(Record, event) == 8 &&
              offsetof(Record, domain) == 10 && offsetof(Record, vcpu) == 12 && offsetof(Record, pcpu) == 14);

// Groups are switched on and off together by the manifest's trace mask.
enum class Group : std::uint32_t {
    run = 1,
    sched = 2,
    mark = 4,
    lifecycle = 8,
    event = 16,
    hypercall = 32,
    trap = 64,
    policy = 128
};

enum class Event : std::uint16_t {
    run_start,
    run_end,
    run_in,
    run_out,
    idle_in,
    idle_out,
    wake,
    timer_fire,
    mark,
    domain_create,
    domain_unpause,
    domain_pause,
    domain_shutdown,
    domain_destroy,
    domain_gone,
    event_send,
    hypercall_in,
    hypercall_out,
    trap,
    policy_load,
    policy_eject,
    policy_note,
    timeline,
    ring_request,
    ring_submit,
    ring_complete,
    memory_admit,
    memory_target,
    memory_release,
    memory_reclaim,
    memory_grant,
    net_drop,
    memory_watch,
    memory_sample,
    memory_press,
};

struct Description {
    Event event;
    Group group;
    const char* name;
    const char* a; // meaning and unit of field a; empty if unused
    const char* b;
    const char* help;
};

inline constexpr std::array descriptions{
    Description{Event::run_start, Group::run, "run_start", "schema version", "clock frequency [Hz]",
                "First record of a run."},
    Description{Event::run_end, Group::run, "run_end", "exit status", "", "Last record of a run."},
    Description{Event::run_in, Group::sched, "run_in", "slice [ns]", "waited since runnable [ns]",
                "A vCPU starts to run on a pCPU."},
    Description{Event::run_out, Group::sched, "run_out", "reason (sched::Stop)", "ran [ns]",
                "A vCPU stops running."},
    Description{Event::idle_in, Group::sched, "idle_in", "until [ns]", "",
                "A pCPU has nothing to run and halts."},
    Description{Event::idle_out, Group::sched, "idle_out", "", "idle for [ns]", "A pCPU leaves its halt."},
    Description{Event::wake, Group::sched, "wake", "cause (0 unpause, 1 event, 2 timer, 3 kick)", "",
                "A blocked vCPU becomes runnable."},
    Description{Event::timer_fire, Group::event, "timer_fire", "deadline, real [ns]", "late by [ns]",
                "A vCPU's one-shot timer expires."},
    Description{Event::mark, Group::mark, "mark", "code (see guest/runtime/mark.hpp)", "value",
                "A guest marks an instant of its own."},
    Description{Event::domain_create, Group::lifecycle, "domain_create", "frames allowed", "weight",
                "A domain exists, paused."},
    Description{Event::domain_unpause, Group::lifecycle, "domain_unpause", "", "", "A domain may run."},
    Description{Event::domain_pause, Group::lifecycle, "domain_pause", "", "", "A domain may no longer run."},
    Description{Event::domain_shutdown, Group::lifecycle, "domain_shutdown", "reason (SHUTDOWN_*)", "",
                "A domain asked to stop, or crashed."},
    Description{Event::domain_destroy, Group::lifecycle, "domain_destroy", "frames owned", "",
                "Destruction begins."},
    Description{Event::domain_gone, Group::lifecycle, "domain_gone", "frames returned", "",
                "Every resource of the domain is free again."},
    Description{Event::event_send, Group::event, "event_send", "local port",
                "remote domain << 32 | remote port", "An event channel was signalled."},
    Description{Event::hypercall_in, Group::hypercall, "hypercall_in", "number", "first argument",
                "A guest entered a hypercall."},
    Description{Event::hypercall_out, Group::hypercall, "hypercall_out", "number", "result",
                "A hypercall returned."},
    Description{Event::trap, Group::trap, "trap", "vector << 32 | error code", "instruction pointer",
                "A guest trapped."},
    Description{Event::policy_load, Group::policy, "policy_load", "kind", "0 built in, else plug-in ABI",
                "A policy took over."},
    Description{Event::policy_eject, Group::policy, "policy_eject", "kind << 32 | hook",
                "reason (plugin::Fault)", "A policy was removed for misconduct."},
    Description{Event::policy_note, Group::policy, "policy_note", "code", "value",
                "A policy's own trace record."},
    Description{Event::timeline, Group::lifecycle, "timeline", "action", "target guest",
                "The control plane carried out a timeline entry."},
    Description{Event::ring_request, Group::event, "ring_request", "ring << 32 | request", "bytes",
                "A request was taken from an I/O ring."},
    Description{Event::ring_submit, Group::event, "ring_submit", "ring << 32 | request", "bytes",
                "A guest put a request into an I/O ring, and the back end queued it."},
    Description{Event::ring_complete, Group::event, "ring_complete", "ring << 32 | request",
                "the device's time for it [ns]", "A request is done and its guest has the answer."},
    Description{Event::memory_admit, Group::event, "memory_admit", "1 admitted, 0 refused",
                "frames it could use", "The memory policy was asked whether a domain may be built."},
    Description{Event::memory_target, Group::event, "memory_target", "frames it may have", "frames it has",
                "The memory policy gave a domain another target."},
    Description{Event::memory_release, Group::event, "memory_release", "frames it has", "frames given back",
                "A guest gave frames back."},
    Description{Event::memory_reclaim, Group::event, "memory_reclaim", "frames it has", "frames taken",
                "Frames were taken from a guest by force."},
    Description{Event::memory_grant, Group::event, "memory_grant", "frames it has",
                "asked for << 32 | granted",
                "A guest asked for frames, and the memory policy granted so many."},
    Description{
        Event::net_drop, Group::event, "net_drop", "interface", "bytes",
        "The switch dropped a packet to an interface, whose buffer was full or whose guest gave no page."},
    Description{Event::memory_watch, Group::event, "memory_watch", "pages", "",
                "Pages of a guest, drawn at random, are watched from now on."},
    Description{Event::memory_sample, Group::event, "memory_sample", "pages looked at", "pages used",
                "Of the watched pages that stayed where they were, so many were used since."},
    Description{Event::memory_press, Group::event, "memory_press", "frames it has",
                "part of its time that is withheld [1/1000]",
                "A guest that keeps frames which are wanted by force gets less time; 0: as much as before."},
};

consteval bool table_matches_enum() {
    for (std::size_t i = 0; i < descriptions.size(); ++i)
        if (static_cast<std::size_t>(descriptions[i].event) != i)
            return false;
    return descriptions.size() == static_cast<std::size_t>(Event::memory_press) + 1;
}
static_assert(table_matches_enum());

} // namespace bulkhead::trace
