// A domain: a guest with its memory, ports, grants and vCPUs. Everything it makes the hypervisor allocate is
// charged to it.
#pragma once

#include "abi/control.hpp"
#include "abi/landmark.hpp"
#include "host/changed_values.hpp"
#include "hv/domain/allotment.hpp"
#include "hv/domain/dump.hpp"
#include "hv/domain/hold.hpp"
#include "hv/domain/vcpu.hpp"
#include "hv/event/channel.hpp"
#include "hv/grant/table.hpp"
#include "hv/mm/domain_memory.hpp"

namespace bulkhead::hv {

inline constexpr std::uint32_t max_vcpus = 32;          // of one domain
inline constexpr std::uint32_t max_domains = 4096;      // at a time
inline constexpr std::uint16_t last_domain_id = 0x7fef; // DOMID_FIRST_RESERVED - 1; ids are used in turn

// Where a domain's clock comes from; see abi/manifest.hpp.
struct TimeRule {
    manifest::TimeMode mode;
    std::uint32_t dilation; // 1/1000
};

struct Console;
struct BlockRing;
struct NetPort;

struct Domain {
    DomainId id;
    std::atomic<std::uint32_t> holds; // see DomainHold; under the lock of the table while it grows
    char name[manifest::name_bytes];
    bool privileged; // domain 0
    bool pae;        // a 32-bit guest, whose kernel runs in ring 1 (hv/pae)
    control::Life life;
    std::uint32_t shutdown_reason;
    Dump dump; // if it crashed

    DomainMemory memory;
    Allotment allotment; // the memory policy's
    SchedulableDomain sched;
    EventChannels events;
    GrantTable grants;
    Console* console;                 // hv/io's
    BlockRing* block_rings;           // hv/io's, connected ones
    NetPort* net_ports;               // likewise
    host::ChangedValues ring_changes; // under the drive lock

    shared_info_t* shared; // direct map
    Mfn shared_frame;
    TimeRule time;
    host::TimerLine* timer_lines; // one for each pCPU
    std::uint64_t vm_assist;      // bit n: VMASST_TYPE n is on

    Vcpu* vcpus[max_vcpus];
    std::uint32_t vcpu_count;

    landmark::LedgerEntry* ledger; // in the landmark's table
    bool ledger_closed;            // its last numbers stay there

    // A zeroed page of hypervisor memory charged to this domain; freed by free_metadata.
    [[nodiscard]] Result<void*> allocate_metadata();
    void free_metadata(void* page);
};

// The domain with that id, or nullptr, for those who know otherwise that it can't go meanwhile: by the
// control lock, the run lock, or by what refers to it. Others use hold_domain.
[[nodiscard]] Domain* find_domain(DomainId id);
// For calls that name a domain: DOMID_SELF or the caller's own id gives the caller; another one needs
// privilege.
[[nodiscard]] Result<DomainHold> resolve_domain(Domain& caller, std::uint16_t id);
// The domain with the lowest slot from `slot` on, or nullptr. Long work that goes through all domains keeps
// the slot after the one it did last; its cost is that of the domains that live, whatever their ids.
[[nodiscard]] Domain* next_domain(std::uint32_t slot);
// Calls `visit(Domain&)` for every domain that exists (dying ones included), in order of their slots.
template<class Visit>
void for_each_domain(Visit visit) {
    for (Domain* domain = next_domain(0); domain != nullptr;) {
        const auto slot = domain->sched.slot;
        visit(*domain);
        domain = next_domain(slot + 1);
    }
}

// Ends a domain that can't go on: says why, leaves its dump to be printed, marks it shut down with
// SHUTDOWN_crash, takes it off its pCPU. Returns to the caller, which must not resume the vCPU (the
// dispatcher won't).
void crash_domain(Domain& domain, const char* why);
void shut_down_domain(Domain& domain, std::uint32_t reason);

} // namespace bulkhead::hv
