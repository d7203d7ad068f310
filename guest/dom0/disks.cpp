// See disks.hpp.
#include "guest/dom0/disks.hpp"

#include "guest/dom0/control.hpp"
#include "guest/runtime/print.hpp"

#include <algorithm>

extern "C" {
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>
}

namespace bulkhead::dom0 {
namespace {

constexpr DomainId domain0{0};
constexpr std::uint32_t sector_bytes = 512;
constexpr std::uint32_t most_segments = 32; // of an indirect request: as many as Linux asks for at first

// A text below a disk's directory; the guest's lies in its own home, ours in domain 0's.
class Place {
  public:
    Place(DomainId domain, const DiskEnd& end) : domain_{domain}, device_{end.disk->device} {}
    [[nodiscard]] std::string_view front(std::string_view leaf) {
        return guest::format(std::span<char>{text_}, "device/vbd/{}{}", device_, leaf);
    }
    [[nodiscard]] std::string_view back(std::string_view leaf) {
        return guest::format(std::span<char>{text_}, "backend/vbd/{}/{}{}", domain_, device_, leaf);
    }
    [[nodiscard]] std::string_view whole_front() {
        return guest::format(std::span<char>{text_}, "/local/domain/{}/device/vbd/{}", domain_, device_);
    }
    [[nodiscard]] std::string_view whole_back() {
        return guest::format(std::span<char>{text_}, "/local/domain/0/backend/vbd/{}/{}", domain_, device_);
    }

  private:
    DomainId domain_;
    std::uint32_t device_;
    std::array<char, 96> text_{};
};

} // namespace

void Disks::set_state(DomainId domain, const DiskEnd& end, std::uint64_t state) {
    store_->put(domain0, Place{domain, end}.back("/state"), state);
}

// The back directory first: the guest's driver reads its path as soon as it finds the front one.
void Disks::describe(DomainId domain, const manifest::Guest&, std::span<DiskEnd> ends) {
    for (auto& end : ends) {
        end = {.disk = end.disk, .number = end.number};
        Place place{domain, end}, other{domain, end};
        const auto back = xenstore::readable_by(domain0, domain);
        store_->make(domain0, place.back(""), back);
        store_->put(domain0, place.back("/frontend"), other.whole_front());
        store_->put(domain0, place.back("/frontend-id"), domain.value());
        store_->put(domain0, place.back("/online"), 1);
        store_->put(domain0, place.back("/feature-flush-cache"), 1);
        if (end.disk->slot == 0) { // a modelled one
            store_->put(domain0, place.back("/feature-barrier"), 1);
            store_->put(domain0, place.back("/feature-discard"), 1);
        }
        store_->put(domain0, place.back("/feature-persistent"), 0);
        store_->put(domain0, place.back("/feature-max-indirect-segments"), most_segments);
        set_state(domain, end, XenbusStateInitWait);
        store_->make(domain, place.front(""), xenstore::readable_by(domain, domain0));
        store_->put(domain, place.front("/backend"), other.whole_back());
        store_->put(domain, place.front("/backend-id"), domain0.value());
        store_->put(domain, place.front("/virtual-device"), end.disk->device);
        store_->put(domain, place.front("/device-type"), "disk");
        store_->put(domain, place.front("/state"), XenbusStateInitialising);
    }
}

void Disks::follow(DomainId domain, const manifest::Guest& guest, std::span<DiskEnd> ends) {
    for (auto& end : ends) {
        const auto state = store_->number(domain, Place{domain, end}.front("/state")).value_or(0);
        if (state != end.front)
            step(domain, guest, end, state);
        end.front = state;
    }
}

void Disks::step(DomainId domain, const manifest::Guest& guest, DiskEnd& end, std::uint64_t state) {
    switch (state) {
    case XenbusStateInitialising: // again, after it was closed
        part(domain, end);
        return set_state(domain, end, XenbusStateInitWait);
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (!end.connected && !connect(domain, guest, end))
            set_state(domain, end, XenbusStateClosed);
        return;
    case XenbusStateClosing:
        part(domain, end);
        return set_state(domain, end, XenbusStateClosing);
    case XenbusStateClosed:
        part(domain, end);
        return set_state(domain, end, XenbusStateClosed);
    default:
        return;
    }
}

// False, and said why: the front end is told that the device is closed.
bool Disks::connect(DomainId domain, const manifest::Guest& guest, DiskEnd& end) {
    Place place{domain, end};
    const auto complain = [&](std::string_view why) {
        guest::print("dom0: guest '{}': disk {}: {}\n", name_of(guest), end.disk->device, why);
        return false;
    };
    const auto ring = store_->number(domain, place.front("/ring-ref"));
    const auto port = store_->number(domain, place.front("/event-channel"));
    if (!ring || !port || *ring > UINT32_MAX || *port > UINT32_MAX)
        return complain("its front end names no ring of one page");
    std::array<char, 32> text{};
    const auto protocol = store_->text(domain, place.front("/protocol"), text);
    const bool narrow = protocol == XEN_IO_PROTO_ABI_X86_32;
    if (!narrow && protocol != XEN_IO_PROTO_ABI_X86_64)
        return complain("its front end speaks neither protocol x86_64-abi nor x86_32-abi");
    control::ConnectDisk request{};
    request.domain = domain.value();
    request.group = static_cast<std::uint16_t>(guest.group);
    request.disk = end.number;
    request.ring_ref = static_cast<std::uint32_t>(*ring);
    request.port = static_cast<std::uint32_t>(*port);
    request.has_values = 1;
    request.narrow = narrow ? 1 : 0;
    std::ranges::copy(guest.ring_values, request.values);
    if (const auto done = connect_disk(request); !done)
        return complain("the hypervisor refuses its ring or its port");
    end.connected = true;
    store_->put(domain0, place.back("/sectors"), end.disk->bytes / sector_bytes);
    store_->put(domain0, place.back("/sector-size"), sector_bytes);
    store_->put(domain0, place.back("/info"), end.disk->read_only != 0 ? VDISK_READONLY : 0);
    set_state(domain, end, XenbusStateConnected);
    return true;
}

void Disks::part(DomainId domain, DiskEnd& end) {
    if (end.connected)
        static_cast<void>(disconnect_disk(domain, end.number)); // it was connected: cannot fail
    end.connected = false;
}

void Disks::forget(DomainId domain) {
    std::array<char, 32> below{};
    store_->remove(domain0, guest::format(std::span<char>{below}, "backend/vbd/{}", domain));
}

} // namespace bulkhead::dom0
