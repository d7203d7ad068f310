#include "tests/fuzz/whole/truths.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/block_seats.hpp"
#include "hv/io/disk.hpp"
#include "hv/io/net.hpp"
#include "hv/io/net_port.hpp"
#include "tests/fuzz/whole/fronts.hpp"

#include <map>
#include <set>

namespace bulkhead::hv::whole {

namespace {

std::map<std::uint16_t, const Domain*> living;
std::set<std::uint16_t> dead;

std::string name(const Domain& domain) { return "domain " + std::to_string(domain.id.value()); }

std::string broken(Domain& domain, Port port, const EventPort& it) {
    const auto what = [&](const char* why) {
        return "port " + std::to_string(port.value()) + " of " + name(domain) + ' ' + why;
    };
    if (it.state == EventPort::State::unbound && it.remote_domain != DOMID_INVALID &&
        find_domain(DomainId{it.remote_domain}) == nullptr && dead.contains(it.remote_domain))
        return what("waits for a domain that is gone");
    if (it.state != EventPort::State::interdomain)
        return {};
    auto* const peer = find_domain(DomainId{it.remote_domain});
    if (peer == nullptr)
        return what("is connected to a domain that is gone");
    const auto* const other = peer->events.find(Port{it.remote_port});
    if (other == nullptr || other->state != EventPort::State::interdomain ||
        other->remote_domain != domain.id.value() || other->remote_port != port.value())
        return what("is connected to a port that knows nothing of it");
    return {};
}

} // namespace

std::string lost_wake_up() {
    // In a page of its own the guest may have written anything since.
    const auto misses_work = [](const Vcpu& vcpu) {
        return vcpu.sched.waiting && !vcpu.poll.active && vcpu.info_frame == Mfn{} && has_work(vcpu);
    };
    std::string found;
    for_each_domain([&](const Domain& domain) {
        for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
            if (const auto* vcpu = domain.vcpus[i];
                vcpu != nullptr && domain.life == control::Life::running && misses_work(*vcpu))
                found = "vCPU " + std::to_string(i) + " of " + name(domain) + " waits although it has work";
    });
    for (std::uint32_t i = 0; i < pcpu_count(); ++i) {
        const auto& self = pcpu(PcpuId{static_cast<std::uint16_t>(i)});
        if (!self.is_asked() && self.expires > next_deadline(self))
            found = "the timer of pCPU " + std::to_string(i) + " is set too late";
    }
    return found;
}

std::string broken_port() {
    std::string found;
    for_each_domain([&](Domain& domain) {
        for (std::uint32_t i = 1; i < max_ports; ++i) {
            const auto* port = domain.events.find(Port{i});
            if (port == nullptr)
                break;
            if (auto problem = broken(domain, Port{i}, *port); !problem.empty())
                found = std::move(problem);
        }
    });
    return found;
}

bool are_all_seats_free() {
    for (std::uint32_t i = 0; i < max_rings; ++i)
        if (ring_by_number<false>(i) != nullptr)
            return false;
    for (std::uint32_t i = 0; i < device::Switch::max_ports; ++i)
        if (net_port(i) != nullptr)
            return false;
    for (std::uint32_t i = 0; i < disks; ++i)
        if (find_disk(i)->ring != nullptr)
            return false;
    return !is_more_left<false>() && !are_packets_left();
}

void forget_ids() {
    living.clear();
    dead.clear();
}

std::string reused_id() {
    std::map<std::uint16_t, const Domain*> now;
    for_each_domain([&](const Domain& domain) { now[domain.id.value()] = &domain; });
    for (const auto& [id, domain] : living)
        if (!now.contains(id))
            dead.insert(id);
    living = std::move(now);
    for (const auto& [id, domain] : living)
        if (dead.contains(id))
            return name(*domain) + " has the number of one that is gone";
    return {};
}

} // namespace bulkhead::hv::whole
