// The boot manifest: one file that carries a whole run, written by Python from these very structures
// (bindings/) and read by the hypervisor (domain 0's image, policies, machine options) and by domain 0
// (guests, timeline). All offsets are bytes from the manifest's start. Integers are little-endian. Text is
// UTF-8 without a terminating zero.
#pragma once

#include "abi/plugin.hpp"

namespace bulkhead::manifest {

inline constexpr std::uint64_t magic = 0x54534546494e414d; // "MANIFEST"
inline constexpr std::uint32_t version = 18;
inline constexpr std::size_t name_bytes = 16; // including the terminating zero

struct Span { // a byte range of the manifest; blobs are page-aligned
    std::uint64_t offset;
    std::uint64_t bytes;
};

// What a guest is told about time. See DESIGN: real, virtual (stops while the vCPU waits for a pCPU), dilated
// (k times slower).
enum class TimeMode : std::uint32_t { real = 0, virtual_ = 1, dilated = 2 };

enum class OnCrash : std::uint32_t { destroy = 0, preserve = 1, restart = 2 };

struct Guest {
    char name[name_bytes];
    Span kernel; // ELF image of a Xen PV kernel
    Span initrd; // empty for none
    Span cmdline;
    std::uint64_t memory_bytes;     // when it starts
    std::uint64_t max_memory_bytes; // as far as its balloon may grow; not less
    std::uint32_t vcpus;
    std::uint32_t weight;
    std::uint32_t cap;
    TimeMode time_mode;
    std::uint32_t dilation; // k of dilated:k, in 1/1000; k is 1 to 1000
    OnCrash on_crash;
    std::uint32_t start_paused; // 1: built, but only a timeline entry lets it run
    std::uint32_t absent;       // 1: not even built, before a timeline entry creates it
    std::int64_t start;         // ns of real time from the end of building until it runs first; 0: at once
    std::uint32_t release;      // the number of a set of guests that start at one instant; 0: of none
    std::uint32_t group;        // the number of the guests that ring policies take for one domain; 0: none
    // In the order of the scheduler's domain_parameters.
    std::int64_t sched_values[plugin::max_domain_parameters];
    std::int64_t memory_values[plugin::max_domain_parameters]; // and of the memory policy's
    std::int64_t ring_values[plugin::max_domain_parameters];   // and of the ring policy's
};

// Where a vCPU may run, for a vCPU with a choice.
struct Placement {
    std::uint32_t guest; // index in the guest table
    std::uint32_t vcpu;
    std::uint64_t affinity;  // mask of the pCPUs that it may use; 0: all
    std::uint64_t preferred; // mask of those that it had rather use; 0: none
};

// A disk of a guest. All disks are parts of the machine's one modelled drive.
struct Disk {
    std::uint32_t guest;  // index in the guest table; the disks of one guest stand together
    std::uint32_t device; // what Linux makes a name of: 51712 is xvda, 51728 xvdb
    std::uint64_t bytes;  // whole sectors of 512
    std::uint32_t module; // boot module with its contents, as many bytes or more; 0 (the manifest): blank
    std::uint32_t read_only;
    std::uint32_t slot; // of a real disk: where its virtio device is on the PCI bus; 0: a modelled disk
    std::uint32_t reserved;
};

// What the drive takes for a request (device/disk.hpp).
struct Drive {
    std::int64_t request;      // ns of each
    std::int64_t seek;         // ns more, if it does not go on where the one before it ended
    std::int64_t bytes_per_us; // of the transfer
    std::uint32_t depth;       // requests that it takes at a time
    std::uint32_t unbilled;    // 1: work for its requests is billed to no domain
    std::int64_t flush;        // ns more, of a flush
    std::int64_t stroke;       // ns more, of a seek over the whole disk
    std::int64_t program;      // ns more, of a write
    std::int64_t erase;        // ns for which a channel erases
    std::uint64_t erase_bytes; // whenever so many bytes more were written to it
    std::uint32_t channels;    // that serve at the same time
    std::uint32_t reserved;
};

// A network interface of a guest, and the port of the modelled switch that it is connected to.
struct Interface {
    std::uint32_t guest;    // index in the guest table; the interfaces of one guest stand together
    std::uint32_t index;    // 0 is eth0 in Linux
    std::uint32_t network;  // ports of one network reach each other
    std::uint32_t captured; // 1: the world outside records the port's packets (abi/capture.hpp)
    std::uint64_t mac;      // its first byte in bits 40 to 47
};

// What the switch takes for a packet, and its links (device/switch.hpp).
struct Network {
    std::int64_t packet;            // ns of the switch for each
    std::int64_t bytes_per_us;      // of the switch for its bytes
    std::int64_t link_bytes_per_us; // of the link to each port
    std::int64_t delay;             // ns of that link
    std::uint32_t buffer;           // packets that a port holds at most
    std::uint32_t reserved;
};

enum class Action : std::uint32_t {
    unpause = 1,
    pause = 2,
    destroy = 3,
    set_weight = 4,
    create = 5,
    audit = 6,
    end_run = 7,
    shutdown = 8,      // asks the guest through xenstore
    reboot = 9,        // likewise
    set_memory = 10,   // `argument` bytes as its balloon's target, through xenstore
    swap = 11,         // the policy `argument` of the table takes over from the one of its kind
    set_affinity = 12, // `argument` is the mask of pCPUs that the guest's vCPUs may use
    // The machine stands still until the world outside has given new orders, which replace the rest of the
    // timeline (abi/steering.hpp). `argument` 1: the orders will create guests, so the run does not end
    // before for want of guests.
    stop = 13,
    set_parameters = 14 // the guest's parameters of the policy of a kind: those of `changes`, at once
};

// Carried out by domain 0 at `at` (real time since all guests were built). `target` indexes the guest table.
struct TimelineEntry {
    std::int64_t at;
    Action action;
    std::uint32_t target;
    std::int64_t argument;
    plugin::ValueChanges changes{}; // of set_parameters
};

struct Policy {
    std::uint32_t kind; // plugin::Kind
    std::uint32_t parameter_count;
    Span object;                 // the plug-in, an ELF shared object
    std::int64_t parameters[16]; // every effective value, in the order of the policy's table
    char name[32];               // for messages about its file
};

// What may be written while a policy's hook runs: under `strict` nothing but the policy's memory and a stack.
enum class Guard : std::uint32_t { normal = 0, strict = 1 };

struct Header {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t header_bytes;
    std::uint64_t total_bytes;
    std::uint64_t seed;
    std::int64_t duration;     // ns of real time from the end of building; the hypervisor ends the run then
    std::int64_t wall_clock;   // Unix time of the machine at start, ns
    std::uint64_t clock_hz;    // TSC frequency if the maker knows it (icount: exactly 1e9), else 0: calibrate
    std::uint64_t trace_bytes; // per pCPU
    std::int64_t memory_period;  // ns between two rebalances of the memory policy
    std::uint64_t memory_frames; // that it has to give, if the machine has as many; 0: all
    std::uint32_t trace_mask;    // trace::Group bits
    std::uint32_t guest_count;
    std::uint32_t timeline_count;
    std::uint32_t policy_count;
    std::uint32_t console_rate;  // bytes per second that a guest may print, 0 for no limit
    std::uint32_t end_when_idle; // 1: the run ends when every guest has shut down
    Span dom0_kernel;
    Span dom0_cmdline;
    std::uint64_t dom0_memory_bytes;
    std::uint64_t dom0_affinity; // mask of the pCPUs that it may use; 0: all
    std::uint32_t dom0_weight;
    std::uint32_t terminal; // 1 + index of the guest whose console is a terminal, 0 for none
    std::uint32_t pcpus;    // how many processors to use, evenly spread over the machine's list; 0 for all
    std::uint32_t drained;  // 1: the world outside drains trace rings that are full
    // 1: the pCPUs share one counted clock, and each uses up its turns when it idles
    // (docs/decisions/0008-turns.md).
    std::uint32_t parallel;
    std::uint32_t disk_count;
    // As in Guest; all zero without a scheduler plug-in.
    std::int64_t dom0_sched_values[plugin::max_domain_parameters];
    std::uint64_t guests;   // offset of Guest[guest_count]
    std::uint64_t timeline; // offset of TimelineEntry[timeline_count], sorted by `at`
    std::uint64_t policies; // offset of Policy[policy_count]
    std::uint64_t disks;    // offset of Disk[disk_count]
    Drive drive;
    std::uint64_t interfaces; // offset of Interface[interface_count]
    std::uint32_t interface_count;
    std::uint32_t dom0_share; // per cent of one pCPU under a scheduler that ignores weights, 0 for none
    Network network;
    std::uint64_t placements; // offset of Placement[placement_count]
    std::uint32_t placement_count;
    Guard guard;                    // of calls of policies
    std::uint32_t no_linear_tables; // 1: entries for a page table of the same level are refused
    std::uint32_t memory_samples;   // pages of each guest whose use is looked at in a memory_period
    std::uint32_t memory_force;     // 1: a guest that keeps what is wanted by force gets less time
    std::uint32_t uplink_slot;      // where the device to the world outside is on the PCI bus; 0: none
    std::uint32_t uplink_network;   // the network that it belongs to
    std::uint16_t memory_zones;     // that a memory policy tells apart, at most 64; 0 or 1: memory is not cut
    std::uint16_t memory_colours;   // 1: zones are colours of a cache; 0: contiguous parts
};

} // namespace bulkhead::manifest
