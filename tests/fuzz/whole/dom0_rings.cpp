// How domain 0 connects guests' front ends and disconnects them, rightly and wrongly.
#include "abi/control.hpp"
#include "tests/fuzz/whole/dom0.hpp"
#include "tests/fuzz/whole/producers.hpp"

#include <utility>

namespace bulkhead::hv::whole {

namespace {

template<class Request>
Call with(control::Call call, Place& place, const Request& request) {
    return {control::hypercall_number, {static_cast<std::uint64_t>(call), place.put(request), 0}};
}

} // namespace

std::optional<Call> Dom0::connect(Place& place) {
    forget_producers();
    const DomainId id{calls_.any_domain()};
    const auto device = input_.of({Device::disk, Device::interface});
    auto* const front = fronts_.find(id);
    if (front == nullptr || input_.below(8) == 0)
        return connect_wrong(place, id.value(), device);
    if (front->waiting_port() == 0 || front->number(device))
        return {};
    return connect_right(place, *front, id, device);
}

Call Dom0::connect_right(Place& place, FrontEnd& front, DomainId id, Device device) {
    const auto& pages = front.pages();
    const bool is_disk = device == Device::disk;
    front.connecting(device);
    pending_ = {id, device, input_.below(is_disk ? disks : interfaces), front.waiting_port(), true};
    if (!is_disk) {
        control::ConnectInterface request{};
        request.domain = id.value();
        request.interface = pending_->number;
        request.tx_ring_ref = FrontPages::ref(pages.tx_ring());
        request.rx_ring_ref = FrontPages::ref(pages.rx_ring());
        request.port = pending_->port;
        request.takes = takes_of(pending_->number);
        return with(control::Call::connect_interface, place, request);
    }
    control::ConnectDisk request{};
    request.domain = id.value();
    request.disk = pending_->number;
    request.ring_ref = FrontPages::ref(pages.block_ring());
    request.port = pending_->port;
    return with(control::Call::connect_disk, place, request);
}

// None of what it names is a page that a guest has lent to its back end.
Call Dom0::connect_wrong(Place& place, std::uint16_t id, Device device) {
    const auto ref = 100U + input_.byte() * 4;
    if (device == Device::interface) {
        control::ConnectInterface request{};
        request.domain = id;
        request.interface = input_.below(interfaces + 1);
        request.tx_ring_ref = ref;
        request.rx_ring_ref = ref + input_.below(2);
        request.port = input_.byte();
        return with(control::Call::connect_interface, place, request);
    }
    control::ConnectDisk request{};
    request.domain = id;
    request.disk = input_.below(disks + 1);
    request.ring_ref = ref;
    request.port = input_.byte();
    return with(control::Call::connect_disk, place, request);
}

Call Dom0::disconnect() {
    const DomainId id{calls_.any_domain()};
    const auto device = input_.of({Device::disk, Device::interface});
    auto number = input_.below(interfaces + 1);
    if (auto* const front = fronts_.find(id); front != nullptr && front->number(device)) {
        if (input_.below(8) != 0)
            number = *front->number(device);
        if (number == *front->number(device)) {
            front->disconnecting(device);
            pending_ = {id, device, number, 0, false};
        }
    }
    const auto call =
        device == Device::disk ? control::Call::disconnect_disk : control::Call::disconnect_interface;
    return {control::hypercall_number, {static_cast<std::uint64_t>(call), id.value(), number}};
}

void Dom0::note_connection(std::int64_t answer) {
    const auto done = std::exchange(pending_, {});
    if (!done)
        return;
    auto* const front = fronts_.find(done->id);
    if (front == nullptr || answer != 0)
        return;
    if (done->connects)
        front->connected(done->device, done->number, done->port);
    else
        front->disconnected(done->device);
}

} // namespace bulkhead::hv::whole
