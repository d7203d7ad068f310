// The control calls of abi/control.hpp as functions, and memory for other domains. No state.
#pragma once

#include "abi/control.hpp"
#include "abi/landmark.hpp"
#include "abi/steering.hpp"
#include "guest/runtime/result.hpp"

#include <span>

struct vcpu_guest_context;

namespace bulkhead::dom0 {

using guest::Result;
using guest::Status;

// Fills `id` and `shared_info_mfn`.
[[nodiscard]] Status create_domain(control::CreateDomain& request);
[[nodiscard]] Status set_vcpu(DomainId domain, VcpuId vcpu, const vcpu_guest_context& context);
// Fills the ports.
[[nodiscard]] Status set_rings(control::SetRings& request);
[[nodiscard]] Status unpause_domain(DomainId domain);
[[nodiscard]] Status pause_domain(DomainId domain);
[[nodiscard]] Status destroy_domain(DomainId domain);
[[nodiscard]] Result<control::DomainInfo> domain_info(DomainId domain);
[[nodiscard]] Status set_weight(DomainId domain, std::int64_t weight);
[[nodiscard]] Status set_parameters(DomainId domain, const plugin::ValueChanges& changes);
[[nodiscard]] Result<long> audit(); // number of violations
// `index` is that in the manifest's table of policies; `parameters` are all that it has, nullptr for the
// manifest's.
[[nodiscard]] Status swap_policy(std::int64_t index, const std::int64_t* parameters = nullptr);
// The machine stands still until the world outside has answered: `page` with what is done goes out, and comes
// back with what to do next. The number of new orders.
[[nodiscard]] Result<std::size_t> stand_still(steering::Page& page);
[[nodiscard]] Status connect_disk(const control::ConnectDisk& request);
[[nodiscard]] Status disconnect_disk(DomainId domain, std::uint32_t disk);
[[nodiscard]] Status connect_interface(const control::ConnectInterface& request);
[[nodiscard]] Status disconnect_interface(DomainId domain, std::uint32_t interface);
[[nodiscard]] Status set_affinity(DomainId domain, VcpuId vcpu, std::int64_t pcpus);
[[nodiscard]] Status set_preferred(DomainId domain, VcpuId vcpu, std::int64_t pcpus);
[[nodiscard]] Status release_domains(const control::Release& set);
// What domain 0 does from now on is done for that domain, and billed to it; with domain 0 itself, no longer.
void work_for(DomainId domain);
void note_started();
void note_timeline(manifest::Action action, std::uint32_t target);
[[noreturn]] void end_run(landmark::Exit status);

// Gives the domain one frame for each pseudo-physical frame 0 .. frames.size() - 1 and writes their machine
// frames. Error::no_memory if the machine has not enough.
[[nodiscard]] Status populate(DomainId domain, std::span<std::uint64_t> frames);

} // namespace bulkhead::dom0
