// Bulkhead's own hypercall: marks for any guest, control calls for domain 0. Everything else of the guest
// interface is the Xen ABI of <xen/xen.h>. A guest that runs elsewhere gets -ENOSYS and carries on.
#pragma once

#include "abi/manifest.hpp"
#include "abi/types.hpp"

namespace bulkhead::control {

inline constexpr unsigned hypercall_number = 55; // __HYPERVISOR_arch_7: rdi = Call, rsi, rdx: see each call

enum class Call : std::uint64_t {
    mark = 0,          // any guest: rsi = code, rdx = value. Leaves a `mark` trace record. Returns 0.
    create_domain = 1, // rsi = CreateDomain*, rdx = 0. Returns 0 and fills `id`. Preemptible.
    // rsi = SetVcpu*. Loads a vCPU's first context; its page-table root must be pinned or validate.
    set_vcpu = 2,
    // rsi = SetRings*. Tells the hypervisor where the console ring is; returns 0 and fills the ports.
    set_rings = 3,
    unpause_domain = 4, // rsi = domain id
    pause_domain = 5,   // rsi = domain id
    destroy_domain = 6, // rsi = domain id. Preemptible: returns when every frame is back.
    domain_info = 7,    // rsi = DomainInfo*, with `id` set
    set_weight = 8,     // rsi = domain id, rdx = weight
    // Checks the counts of frames and grants while all other domains stand still; returns the number of
    // violations. Preemptible.
    audit = 9,
    end_run = 10,       // rsi = landmark::Exit
    started = 11,       // domain 0 has built everything: the run's clock (`duration`) starts here
    note_timeline = 12, // rsi = action, rdx = target: a `timeline` trace record
    // rsi = index in the manifest's table of policies, rdx = all of the policy's parameters, or 0 for those
    // of the manifest. It takes over from the one of its kind.
    swap_policy = 13,
    set_affinity = 14, // rsi = domain id << 16 | vCPU, rdx = mask of pCPUs
    // rsi = steering::Page* with `at`, `played` and the orders that are done. Hands these to the world
    // outside, stops the machine until the world outside has answered, and fills `count` and the new orders.
    // Returns the number of new orders; 0 on a machine that is not steered.
    stand_still = 15,
    // rsi = domain id. From now on the caller works for that domain: what it runs, and what the hypervisor
    // does for it, is billed to that domain, until the caller names itself or ends a domain's life.
    work_for = 16,
    // rsi = ConnectDisk*. The domain's block ring is served from a disk of the manifest. Preemptible.
    connect_disk = 17,
    // rsi = domain id, rdx = disk. The ring's page and port are the guest's alone again; what is queued is
    // not answered. Preemptible: waits for what the drive has.
    disconnect_disk = 18,
    // rsi = ConnectInterface*. The domain's network rings are served at a port of the switch. Preemptible.
    connect_interface = 19,
    // rsi = domain id, rdx = interface. As disconnect_disk.
    disconnect_interface = 20,
    set_preferred = 21, // rsi = domain id << 16 | vCPU, rdx = mask of pCPUs, 0 for none
    // rsi = Release*. As unpause_domain for each, at one instant: none of them runs before all are runnable.
    release_domains = 22,
    // rsi = domain id, rdx = plugin::ValueChanges*. Nothing changes unless the active policy of that kind
    // takes all of them: no_entry if it has no such parameter, out_of_range, not_supported if it does not
    // take changes, no_space if too many different ones have changed, no_device if no policy of that kind
    // decides.
    set_parameters = 23,
};

// The code of the mark by which a guest reports a fault of one of its pages: the value is what it waits for
// the page, in ns. The memory policy hears of it (memctl/contract.hpp, Pressure).
inline constexpr std::uint64_t page_fault_mark = 10;

// A set has at most 32 vCPUs, so that its release is short: no pCPU dispatches meanwhile.
inline constexpr std::uint32_t most_released = 32;
struct Release {
    std::uint16_t count; // of domains, at most most_released
    std::uint16_t domains[most_released];
};

struct CreateDomain {
    char name[manifest::name_bytes];
    std::uint64_t frames; // of its initial memory: promised to it, see abi/promise.hpp
    std::uint64_t max_frames;
    std::uint32_t vcpus;
    std::uint32_t weight;
    std::uint32_t cap;
    manifest::TimeMode time_mode;
    std::uint32_t dilation;                                   // 1/1000
    std::uint16_t id;                                         // out
    std::uint16_t pae;                                        // 1: a 32-bit guest
    std::uint64_t shared_info_mfn;                            // out
    std::int64_t sched_values[plugin::max_domain_parameters]; // as in manifest::Guest
    std::int64_t memory_values[plugin::max_domain_parameters];
};

struct SetVcpu {
    std::uint16_t domain;
    std::uint16_t vcpu;
    std::uint32_t reserved;
    std::uint64_t context; // address of a vcpu_guest_context_t in the caller
};

struct SetRings {
    std::uint16_t domain;
    std::uint16_t reserved[3];
    std::uint64_t console_mfn;
    std::uint32_t console_port;      // out: the guest's port, its other end is the hypervisor
    std::uint32_t store_port;        // out: the guest's port, its other end is in domain 0
    std::uint32_t store_remote_port; // out: domain 0's end, bound
    std::uint32_t reserved2;
};

struct ConnectDisk {
    std::uint16_t domain;
    std::uint16_t group;    // of domains that the ring policy takes for one; 0: none
    std::uint32_t disk;     // its place in the manifest's table
    std::uint32_t ring_ref; // the guest's grant to domain 0, of one page
    std::uint32_t port;     // the guest's, unbound, for domain 0
    std::uint32_t has_values;
    std::uint32_t narrow; // 1: the ring has the 32-bit layout, 0: the 64-bit one
    std::int64_t values[plugin::max_domain_parameters]; // in the order of the ring policy's domain_parameters
};

// What the guest takes: packets in several slots, TCP segments that are not cut yet, and packets for the
// groups that it has named only.
inline constexpr std::uint16_t net_takes_slots = 1, net_takes_tcp4 = 2, net_takes_tcp6 = 4,
                               net_takes_its_groups = 8;
struct ConnectInterface {
    std::uint16_t domain;
    std::uint16_t group;       // of domains that the ring policy takes for one; 0: none
    std::uint32_t interface;   // its place in the manifest's table
    std::uint32_t tx_ring_ref; // the guest's grants to domain 0, of one page each
    std::uint32_t rx_ring_ref;
    std::uint32_t port;  // the guest's, unbound, for domain 0
    std::uint16_t takes; // net_takes_*
    std::uint16_t has_values;
    std::int64_t values[plugin::max_domain_parameters]; // in the order of the ring policy's domain_parameters
};

enum class Life : std::uint32_t { none = 0, paused = 1, running = 2, shut_down = 3, dying = 4 };

struct DomainInfo {
    std::uint16_t id;
    std::uint16_t vcpus;
    Life life;
    std::uint32_t shutdown_reason; // SHUTDOWN_* once life is shut_down
    std::uint32_t weight;
    std::uint64_t frames;
    std::uint64_t max_frames;
    std::uint64_t target; // frames that the memory policy wants it to have; 0: no policy decides
    std::int64_t guest_ns;
};

} // namespace bulkhead::control
