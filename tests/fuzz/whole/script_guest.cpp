#include "tests/fuzz/whole/script_guest.hpp"

#include "hv/base/machine.hpp"

extern "C" {
#include <xen/grant_table.h>
}

namespace bulkhead::hv::whole {

Call control_call(control::Call call, std::uint64_t first, std::uint64_t second) {
    return {control::hypercall_number, {static_cast<std::uint64_t>(call), first, second}};
}

Vcpu& dom0() { return *find_domain(DomainId{0})->vcpus[0]; }

Guest::Guest(Script& script_of, std::uint16_t id)
    : script{script_of}, domain{*find_domain(DomainId{id})}, front{domain, input} {
    prepare();
}

void Guest::prepare() {
    while (front.waiting_port() == 0)
        act();
}

void Guest::act() {
    Place place{vcpu()};
    if (const auto call = front.next(place))
        static_cast<void>(script.call(vcpu(), *call));
}

bool Guest::lends_in_use() const {
    const auto* const entries = machine::frame_as<grant_entry_v1_t>(domain.grants.frames[0]);
    for (std::uint32_t page = 0; page < front.pages().count(); ++page)
        if ((entries[FrontPages::ref(page)].flags & (GTF_reading | GTF_writing)) != 0)
            return true;
    return false;
}

std::int64_t connect(Script& script, Guest& guest, Device device, std::uint32_t number) {
    guest.front.connecting(device);
    Place place{dom0()};
    const auto& pages = guest.front.pages();
    if (device == Device::disk) {
        control::ConnectDisk request{};
        request.domain = guest.domain.id.value();
        request.disk = number;
        request.ring_ref = FrontPages::ref(pages.block_ring());
        request.port = guest.front.waiting_port();
        return script.call(dom0(), control_call(control::Call::connect_disk, place.put(request)));
    }
    control::ConnectInterface request{};
    request.domain = guest.domain.id.value();
    request.interface = number;
    request.tx_ring_ref = FrontPages::ref(pages.tx_ring());
    request.rx_ring_ref = FrontPages::ref(pages.rx_ring());
    request.port = guest.front.waiting_port();
    request.takes = takes_of(number);
    return script.call(dom0(), control_call(control::Call::connect_interface, place.put(request)));
}

} // namespace bulkhead::hv::whole
