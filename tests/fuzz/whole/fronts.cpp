#include "tests/fuzz/whole/fronts.hpp"

#include "hv/domain/domain.hpp"

#include <utility>

extern "C" {
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/sched.h>
}

namespace bulkhead::hv::whole {

FrontEnd::FrontEnd(Domain& domain, test::Input& input)
    : domain_{domain}, input_{input}, pages_{domain}, block_{domain, pages_}, net_{domain, pages_},
      behaves_{input.below(2) == 0} {}

std::optional<Call> FrontEnd::next(Place& place) {
    if (auto call = prepare(place); call)
        return call;
    return behaves_ ? behave(place) : misbehave(place);
}

// A grant table, and ports that wait for domain 0.
std::optional<Call> FrontEnd::prepare(Place& place) const {
    if (domain_.grants.frame_count == 0) {
        gnttab_setup_table_t setup{};
        setup.dom = DOMID_SELF;
        setup.nr_frames = 1;
        setup.frame_list.p = place.array<xen_pfn_t>(1);
        return Call{__HYPERVISOR_grant_table_op, {GNTTABOP_setup_table, place.put(setup), 1}};
    }
    if (waiting_port() == 0 && !(number(Device::disk) && number(Device::interface)))
        return Call{__HYPERVISOR_event_channel_op,
                    {EVTCHNOP_alloc_unbound, place.put(evtchn_alloc_unbound_t{DOMID_SELF, 0, 0})}};
    return {};
}

std::uint32_t FrontEnd::waiting_port() const {
    for (std::uint32_t i = 1; i < 64; ++i) {
        const auto* port = domain_.events.find(Port{i});
        if (port != nullptr && port->state == EventPort::State::unbound && port->remote_domain == 0)
            return i;
    }
    return 0;
}

Call FrontEnd::behave(Place& place) {
    if (auto problem = judge(); !problem.empty())
        problem_ = std::move(problem);
    const auto choice = input_.below(8);
    if (choice < 4 && block_.is_connected() && block_.ask(input_))
        return signal(place, Device::disk);
    if (choice >= 4 && choice < 6 && net_.is_connected() && net_.send(input_))
        return signal(place, Device::interface);
    if (choice == 6 && net_.is_connected() && net_.offer(input_))
        return signal(place, Device::interface);
    return {__HYPERVISOR_sched_op, {choice == 7 ? std::uint64_t{SCHEDOP_block} : SCHEDOP_yield}};
}

Call FrontEnd::signal(Place& place, Device device) const {
    return {__HYPERVISOR_event_channel_op, {EVTCHNOP_send, place.put(evtchn_send_t{at(device).port})}};
}

void FrontEnd::connecting(Device device) {
    if (domain_.grants.frame_count == 0)
        return;
    constexpr RING_IDX bases[] = {0, 0, 0xfffffff0};
    const bool whole = own<std::byte>(pages_.block_ring()) != nullptr &&
                       own<std::byte>(pages_.tx_ring()) != nullptr &&
                       own<std::byte>(pages_.rx_ring()) != nullptr;
    const bool initialise = whole && (behaves_ || input_.below(2) == 0);
    const auto base = input_.of(bases);
    for (std::uint32_t page = 4; !behaves_ && page <= pages_.list(); ++page) // any data, at any time
        pages_.lend(domain_, page, 0, page_bytes);
    if (device == Device::disk) {
        if (initialise)
            block_.initialise(base);
        pages_.lend(domain_, pages_.block_ring(), 0, page_bytes);
        return;
    }
    if (initialise)
        net_.initialise(base);
    pages_.lend(domain_, pages_.tx_ring(), 0, page_bytes);
    pages_.lend(domain_, pages_.rx_ring(), 0, page_bytes);
}

void FrontEnd::connected(Device device, std::uint32_t number, std::uint32_t port) {
    at(device) = {number, port};
    if (device == Device::disk)
        block_.connected(number);
    else
        net_.connected();
}

void FrontEnd::disconnecting(Device device) {
    if (device == Device::disk)
        block_.closing();
    else
        net_.closing();
}

void FrontEnd::disconnected(Device device) {
    at(device).number.reset();
    auto problem = device == Device::disk ? block_.disconnected() : net_.disconnected();
    if (behaves_ && !problem.empty())
        problem_ = std::move(problem);
}

std::string FrontEnd::judge() {
    if (!behaves_)
        return {};
    for (auto problem : {std::exchange(problem_, {}), block_.hear(), net_.hear(), pages_.problem()})
        if (!problem.empty())
            return problem;
    return {};
}

bool FrontEnd::has_all_answers() const {
    return !behaves_ || ((!block_.is_connected() || block_.has_all_answers()) &&
                         (!net_.is_connected() || net_.has_all_answers()));
}

void Fronts::born(Domain& domain) { all_[domain.id.value()] = std::make_unique<FrontEnd>(domain, input_); }

FrontEnd* Fronts::find(DomainId id) {
    const auto found = all_.find(id.value());
    if (found == all_.end())
        return nullptr;
    const auto* const domain = find_domain(id);
    if (domain != nullptr && domain->life != control::Life::dying)
        return found->second.get();
    all_.erase(found);
    return nullptr;
}

std::string Fronts::judge() {
    for (auto each = all_.begin(); each != all_.end();) {
        auto* const front = find(DomainId{(each++)->first});
        if (front == nullptr)
            continue;
        if (const auto problem = front->judge(); !problem.empty())
            return "a front end: " + problem;
    }
    return {};
}

bool Fronts::have_all_answers() {
    for (auto each = all_.begin(); each != all_.end();)
        if (const auto* const front = find(DomainId{(each++)->first});
            front != nullptr && !front->has_all_answers())
            return false;
    return true;
}

} // namespace bulkhead::hv::whole
