// The border between a host (hypervisor or simulator) and a policy plug-in: one exported descriptor, one host
// table. A plug-in is a shared object with no undefined symbol and only relative relocations, so that a
// page-sized loader can place it anywhere. This header does not know the hooks of a kind of policy;
// the kind's contract does.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::plugin {

inline constexpr std::uint64_t magic = 0x4e4947554c504b42; // "BKPLUGIN"
inline constexpr std::uint32_t abi_version = 5;
inline constexpr std::size_t max_parameters = 16;
inline constexpr std::size_t max_domain_parameters = 4;

enum class Kind : std::uint32_t { scheduler = 1, memory = 2, ring = 3 };

// One row of a policy's parameter table. The command line, Python, the documentation and the results read
// this row.
struct Parameter {
    const char* name;
    const char* unit; // "us", "%", "1" for a plain number
    const char* help;
    std::int64_t initial;
    std::int64_t least;
    std::int64_t most;
};

// What a parameter is, whichever policy has it: rows of one name and one unit are the same parameter
// (FNV-1a).
constexpr std::uint64_t key_of(const char* name, const char* unit) {
    std::uint64_t key = 0xcbf29ce484222325;
    const auto add = [&key](char byte) { key = (key ^ static_cast<unsigned char>(byte)) * 0x100000001b3; };
    for (; *name != '\0'; ++name)
        add(*name);
    add('\0');
    for (; *unit != '\0'; ++unit)
        add(*unit);
    return key;
}

// Domain parameters that change together, of the policy of a kind, for one domain.
struct ValueChanges {
    Kind kind;
    std::uint32_t count; // of those that change
    std::uint64_t keys[max_domain_parameters];
    std::int64_t values[max_domain_parameters];
};

// Why a host removed a policy.
enum class Fault : std::uint32_t {
    none = 0,
    // Picked a vCPU that cannot run, a slice out of bounds, or a frame or request that does not exist.
    wrong_answer = 1,
    trapped = 2,     // a processor exception inside the plug-in's text
    over_budget = 3, // a hook ran longer than its budget
    starvation = 4,  // a runnable vCPU, or a request, waited beyond the bound
    no_memory = 5,   // the policy's state did not fit in the arena
};

// The services that a policy may ask for. The same table in the hypervisor and in the simulator.
struct Host {
    void* context;
    std::uint32_t pcpus;
    RealTime (*now)(void* context);
    std::uint64_t (*random)(void* context); // uniform 64 bits from the run's seed
    // Zeroed memory that lives as long as the policy; nullptr once the policy's arena is used up.
    void* (*allocate)(void* context, std::size_t bytes, std::size_t alignment);
    void (*note)(void* context, std::uint64_t code, std::uint64_t value); // a policy_note trace record
    void (*kick)(void* context, PcpuId pcpu); // have the pCPU stop its vCPU (Stop::preempted) and call pick
};

// The one exported symbol of a plug-in is `extern "C" const Descriptor bulkhead_policy`.
struct Descriptor {
    std::uint64_t magic;
    std::uint32_t abi_version;
    Kind kind;
    const char* name;
    const char* summary; // one line
    const char* good_at;
    const char* bad_at;
    const char* source; // paper or specification
    const Parameter* parameters;
    std::uint32_t parameter_count;
    std::uint32_t policy_bytes; // sizes of the policy's types; the host allocates them
    std::uint32_t domain_bytes;
    std::uint32_t vcpu_bytes; // a scheduler's; sizes of the other kinds' types are in their hook tables
    std::uint32_t pcpu_bytes;
    std::uint32_t traits;               // promises that the policy does not make: bits of plugin::Trait
    const void* hooks;                  // the kind's hook table, e.g. sched::Hooks
    const Parameter* domain_parameters; // the parameters of each domain, in the same form
    std::uint64_t domain_parameter_count;
};
inline constexpr const char* descriptor_symbol = "bulkhead_policy";

} // namespace bulkhead::plugin
