// See control.hpp.
#include "guest/dom0/control.hpp"

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/schedule.hpp"

#include <algorithm>

namespace bulkhead::dom0 {
namespace {

using control::Call;
namespace hypercall = guest::hypercall;

long call(Call number, std::uint64_t a = 0, std::uint64_t b = 0) {
    return hypercall::raw(control::hypercall_number, static_cast<std::uint64_t>(number), a, b);
}
Status status(long result) { return hypercall::status(result); }

constexpr std::size_t populate_batch = 512;

} // namespace

Status create_domain(control::CreateDomain& request) {
    return status(call(Call::create_domain, hypercall::address(&request)));
}

Status set_vcpu(DomainId domain, VcpuId vcpu, const vcpu_guest_context& context) {
    const control::SetVcpu request{.domain = domain.value(),
                                   .vcpu = vcpu.value(),
                                   .reserved = 0,
                                   .context = hypercall::address(&context)};
    return status(call(Call::set_vcpu, hypercall::address(&request)));
}

Status set_rings(control::SetRings& request) {
    return status(call(Call::set_rings, hypercall::address(&request)));
}
Status unpause_domain(DomainId domain) { return status(call(Call::unpause_domain, domain.value())); }
Status pause_domain(DomainId domain) { return status(call(Call::pause_domain, domain.value())); }
Status destroy_domain(DomainId domain) { return status(call(Call::destroy_domain, domain.value())); }

Result<control::DomainInfo> domain_info(DomainId domain) {
    control::DomainInfo info{};
    info.id = domain.value();
    if (const auto done = status(call(Call::domain_info, hypercall::address(&info))); !done)
        return std::unexpected{done.error()};
    return info;
}

Status set_weight(DomainId domain, std::int64_t weight) {
    return status(call(Call::set_weight, domain.value(), static_cast<std::uint64_t>(weight)));
}

Status set_parameters(DomainId domain, const plugin::ValueChanges& changes) {
    return status(call(Call::set_parameters, domain.value(), hypercall::address(&changes)));
}

Result<long> audit() { return hypercall::checked(call(Call::audit)); }
Status swap_policy(std::int64_t index, const std::int64_t* parameters) {
    return status(call(Call::swap_policy, static_cast<std::uint64_t>(index), hypercall::address(parameters)));
}

Result<std::size_t> stand_still(steering::Page& page) {
    const auto orders = hypercall::checked(call(Call::stand_still, hypercall::address(&page)));
    if (!orders)
        return std::unexpected{orders.error()};
    return static_cast<std::size_t>(*orders);
}

Status connect_disk(const control::ConnectDisk& request) {
    return status(call(Call::connect_disk, hypercall::address(&request)));
}
Status connect_interface(const control::ConnectInterface& request) {
    return status(call(Call::connect_interface, hypercall::address(&request)));
}
Status disconnect_interface(DomainId domain, std::uint32_t interface) {
    return status(call(Call::disconnect_interface, domain.value(), interface));
}
Status disconnect_disk(DomainId domain, std::uint32_t disk) {
    return status(call(Call::disconnect_disk, domain.value(), disk));
}

Status set_affinity(DomainId domain, VcpuId vcpu, std::int64_t pcpus) {
    return status(call(Call::set_affinity, std::uint64_t{domain.value()} << 16 | vcpu.value(),
                       static_cast<std::uint64_t>(pcpus)));
}

Status set_preferred(DomainId domain, VcpuId vcpu, std::int64_t pcpus) {
    return status(call(Call::set_preferred, std::uint64_t{domain.value()} << 16 | vcpu.value(),
                       static_cast<std::uint64_t>(pcpus)));
}

Status release_domains(const control::Release& set) {
    return status(call(Call::release_domains, hypercall::address(&set)));
}

void work_for(DomainId domain) { static_cast<void>(call(Call::work_for, domain.value())); }

void note_started() { static_cast<void>(call(Call::started)); }

void note_timeline(manifest::Action action, std::uint32_t target) {
    static_cast<void>(call(Call::note_timeline, static_cast<std::uint64_t>(action), target));
}

void end_run(landmark::Exit exit) {
    static_cast<void>(call(Call::end_run, static_cast<std::uint64_t>(exit)));
    guest::shutdown(); // a hypervisor that did not end the run loses its domain 0
}

// The call reads pseudo-physical numbers where it writes machine ones, so the list is its own input.
Status populate(DomainId domain, std::span<std::uint64_t> frames) {
    for (std::size_t i = 0; i < frames.size(); ++i)
        frames[i] = i;
    while (!frames.empty()) {
        const auto batch = frames.first(std::min(frames.size(), populate_batch));
        xen_memory_reservation request{};
        request.extent_start.p = batch.data();
        request.nr_extents = batch.size();
        request.domid = domain.value();
        const auto done = hypercall::memory_op(XENMEM_populate_physmap, &request);
        if (!done)
            return std::unexpected{done.error()};
        if (static_cast<std::size_t>(*done) != batch.size())
            return std::unexpected{guest::Error::no_memory};
        frames = frames.subspan(batch.size());
    }
    return {};
}

} // namespace bulkhead::dom0
