// The landmark: a page at a fixed physical address through which the world outside reads a run from the
// machine's RAM, during it and after it. Only the hypervisor writes it.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::landmark {

inline constexpr std::uint64_t physical_address = 0x20000; // below 640 KiB, clear of what loaders leave there
inline constexpr std::uint64_t magic = 0x444145484b4c5542; // "BULKHEAD" in memory order
inline constexpr std::uint32_t version = 7;
inline constexpr std::size_t max_pcpus = 64;
inline constexpr std::size_t name_bytes = 16;

enum class State : std::uint32_t { booting = 0, running = 1, finished = 2, panicked = 3 };

// What the process exit status of `bulkhead boot` will be.
enum class Exit : std::uint32_t {
    all_off = 0,
    bad_input = 2,
    guest_crashed = 3,
    panicked = 4,
    time_over = 5
};

// Per-pCPU trace ring: `written` counts the records ever written. The world outside has taken the first
// `drained` of them, the ring holds the others from its beginning on. A record that finds the ring full and
// no reader that drains it is lost; `lost` counts these.
struct TraceRing {
    std::uint64_t physical;
    std::uint64_t capacity; // records
    std::uint64_t written;
    std::uint64_t lost;
    std::uint64_t drained;
};

// What an entry of the ledger stands for. The numbers of a domain that is gone stay.
enum class Account : std::uint16_t { free = 0, alive = 1, gone = 2 };

// The reason with which a domain shut down: Xen's SHUTDOWN_* numbers, and `none` while it has not.
enum class Shutdown : std::uint32_t {
    poweroff = 0,
    reboot = 1,
    suspend = 2,
    crash = 3,
    watchdog = 4,
    soft_reset = 5,
    none = 0xff
};

// What the requests of a domain's rings came to, each counted when the device was done with it.
struct RingUse {
    std::uint64_t requests;
    std::uint64_t bytes;
    std::int64_t waiting_ns;   // summed: from when a request was queued until the device took it
    std::int64_t throttled_ns; // the part of it in which the device had room
};

// Where in RAM the contents of a modelled disk are; a real one has none there.
struct DiskContents {
    std::uint64_t physical;
    std::uint64_t bytes;
};

// Every nanosecond of a pCPU is in exactly one of: some domain's guest_ns or hypervisor_ns, idle, unbilled.
struct LedgerEntry {
    std::uint16_t domain;
    Account state;
    std::uint32_t weight;
    char name[name_bytes];
    std::int64_t guest_ns;      // in guest code
    std::int64_t hypervisor_ns; // in the hypervisor, or in domain 0, on the domain's behalf
    std::int64_t waiting_ns;    // runnable, not running, summed over vCPUs
    std::int64_t blocked_ns;
    std::uint64_t hypercalls;
    std::uint64_t traps;
    std::uint64_t events_sent;
    std::uint64_t wakes;
    std::uint64_t run_ins;
    std::uint32_t frames_owned;
    std::uint32_t frames_peak;
    std::uint32_t shutdown_reason; // a Shutdown
    std::uint32_t withheld;        // part of its time, as it keeps frames that are wanted by force [1/1000]
    std::uint64_t console_bytes;   // that it printed
    std::uint64_t copied_bytes;    // that it had grant copies move
    std::int64_t refreshed;        // RealTime of waiting_ns, blocked_ns, the frames and the bytes
    std::uint64_t trace_lost;      // of its records
    RingUse disks;
    RingUse networks;
};

// A reader of a running machine takes `end` first, then the domains' entries, then the totals. All of them
// only grow, and a posting adds to an entry, then to the total, then moves `end`: if the numbers read add
// up, to the nanosecond, then no posting came in between and they are one consistent account.
struct PcpuLedger {
    std::int64_t start; // RealTime at which the ledger opened
    std::int64_t end;   // RealTime of the last posting
    std::int64_t guest_ns;
    std::int64_t hypervisor_ns; // for named domains
    std::int64_t idle_ns;
    std::int64_t unbilled_ns;
};

// What the hypervisor does in a non-preemptible section.
enum class SectionKind : std::uint32_t { hypercall = 0, trap = 1, interrupt = 2, dispatch = 3, hook = 4 };

// Hypervisor code from one preemption point to the next. The landmark has the longest one, R_max.
struct NonPreemptibleSection {
    std::int64_t ns;
    std::uint32_t kind;   // a SectionKind
    std::uint32_t number; // hypercall number, vector or hook
    std::uint16_t domain;
    std::uint16_t pcpu;
    std::uint32_t reserved;
};

// Into one of the text fields: cut to fit, always terminated; nothing stays of a longer text.
template<std::size_t bytes>
constexpr void copy_text(char (&to)[bytes], const char* from) {
    for (char& at : to)
        at = *from != '\0' ? *from++ : '\0';
    to[bytes - 1] = '\0';
}

struct PolicyReport {
    char name[name_bytes * 2];
    std::uint32_t kind;    // a plugin::Kind, 0 for an unused report
    std::uint32_t ejected; // a plugin::Fault
    std::uint32_t hook;    // in which it was ejected: the Hook of its kind's contract
    std::uint32_t parameter_count;
    std::int64_t ejected_at;
    std::int64_t parameters[16]; // effective values in the order of the policy's table
    std::uint64_t hook_calls;
    std::int64_t hook_ns;
    std::int64_t hook_max_ns;
    char why[160]; // what it did, in words; empty unless it was ejected
};

struct Page {
    std::uint64_t magic;
    std::uint32_t version;
    State state;
    Exit exit_status;
    std::uint32_t pcpus;
    std::uint64_t clock_hz;
    std::uint64_t clock_origin; // what the time-stamp counter showed at real time 0
    std::int64_t now;           // RealTime of the last update
    // RealTime at which all guests were built, 0 before: the timeline counts from here.
    std::int64_t started;
    std::uint64_t ram_frames;
    std::uint64_t free_frames;
    std::uint64_t free_frames_at_boot; // before domain 0 was built
    std::uint64_t audit_runs;
    std::uint64_t audit_failures;
    std::uint64_t ledger_physical; // array of LedgerEntry
    std::uint32_t ledger_capacity;
    std::uint32_t ledger_used;
    std::uint64_t seed;
    // Full trace rings so far that the world outside was asked to drain, and the pCPU of the latest. The
    // machine stands still until that ring is drained (abi/steering.hpp).
    std::uint64_t drains;
    std::uint32_t draining;
    std::uint32_t reserved;
    std::uint64_t disks_physical; // array of DiskContents, in the order of the manifest's table; 0: no disks
    char message[128];            // the panic's or the refusal's one line
    NonPreemptibleSection r_max;
    PolicyReport policies[3]; // scheduler, memory, ring
    TraceRing rings[max_pcpus];
    PcpuLedger pcpu_ledgers[max_pcpus];
};
static_assert(sizeof(Page) <= 2 * 4096, "two pages are reserved for the landmark");

} // namespace bulkhead::landmark
