// See interfaces.hpp.
#include "guest/dom0/interfaces.hpp"

#include "guest/dom0/control.hpp"
#include "guest/runtime/print.hpp"

#include <algorithm>

extern "C" {
#include <xen/io/xenbus.h>
}

namespace bulkhead::dom0 {
namespace {

constexpr DomainId domain0{0};

// A text below an interface's directory; the guest's lies in its own home, ours in domain 0's.
class Place {
  public:
    Place(DomainId domain, const InterfaceEnd& end) : domain_{domain}, index_{end.interface->index} {}
    [[nodiscard]] std::string_view front(std::string_view leaf) {
        return guest::format(std::span<char>{text_}, "device/vif/{}{}", index_, leaf);
    }
    [[nodiscard]] std::string_view back(std::string_view leaf) {
        return guest::format(std::span<char>{text_}, "backend/vif/{}/{}{}", domain_, index_, leaf);
    }
    [[nodiscard]] std::string_view whole_front() {
        return guest::format(std::span<char>{text_}, "/local/domain/{}/device/vif/{}", domain_, index_);
    }
    [[nodiscard]] std::string_view whole_back() {
        return guest::format(std::span<char>{text_}, "/local/domain/0/backend/vif/{}/{}", domain_, index_);
    }

  private:
    DomainId domain_;
    std::uint32_t index_;
    std::array<char, 96> text_{};
};

// Six pairs of digits.
class MacText {
  public:
    explicit MacText(std::uint64_t mac) {
        constexpr std::string_view digits = "0123456789abcdef";
        for (std::size_t i = 0; i < 6; ++i) {
            const auto byte = mac >> (40 - 8 * i) & 0xff;
            text_[3 * i] = digits[byte >> 4];
            text_[3 * i + 1] = digits[byte & 15];
            text_[3 * i + 2] = ':';
        }
    }
    [[nodiscard]] std::string_view text() const { return {text_.data(), text_.size() - 1}; }

  private:
    std::array<char, 18> text_{};
};

} // namespace

void Interfaces::set_state(DomainId domain, const InterfaceEnd& end, std::uint64_t state) {
    store_->put(domain0, Place{domain, end}.back("/state"), state);
}

// The back directory first: the guest's driver reads its path as soon as it finds the front one. What the
// back end does not name, it does not offer.
void Interfaces::describe(DomainId domain, std::span<InterfaceEnd> ends) {
    for (auto& end : ends) {
        end = {.interface = end.interface, .number = end.number, .leads_outside = end.leads_outside};
        const MacText mac{end.interface->mac};
        Place place{domain, end}, other{domain, end};
        store_->make(domain0, place.back(""), xenstore::readable_by(domain0, domain));
        store_->put(domain0, place.back("/frontend"), other.whole_front());
        store_->put(domain0, place.back("/frontend-id"), domain.value());
        store_->put(domain0, place.back("/handle"), end.interface->index);
        store_->put(domain0, place.back("/mac"), mac.text());
        store_->put(domain0, place.back("/online"), 1);
        store_->put(domain0, place.back("/feature-rx-copy"), 1);
        store_->put(domain0, place.back("/feature-rx-flip"), 0);
        for (const auto offer : {"/feature-sg", "/feature-ipv6-csum-offload", "/feature-multicast-control"})
            store_->put(domain0, place.back(offer), 1);
        if (!end.leads_outside) // where nobody cuts segments
            for (const auto offer : {"/feature-gso-tcpv4", "/feature-gso-tcpv6"})
                store_->put(domain0, place.back(offer), 1);
        set_state(domain, end, XenbusStateInitWait);
        store_->make(domain, place.front(""), xenstore::readable_by(domain, domain0));
        store_->put(domain, place.front("/backend"), other.whole_back());
        store_->put(domain, place.front("/backend-id"), domain0.value());
        store_->put(domain, place.front("/handle"), end.interface->index);
        store_->put(domain, place.front("/mac"), mac.text());
        store_->put(domain, place.front("/state"), XenbusStateInitialising);
    }
}

void Interfaces::follow(DomainId domain, const manifest::Guest& guest, std::span<InterfaceEnd> ends) {
    for (auto& end : ends) {
        const auto state = store_->number(domain, Place{domain, end}.front("/state")).value_or(0);
        if (state != end.front)
            step(domain, guest, end, state);
        end.front = state;
    }
}

void Interfaces::step(DomainId domain, const manifest::Guest& guest, InterfaceEnd& end, std::uint64_t state) {
    switch (state) {
    case XenbusStateInitialising: // again, after it was closed
        part(domain, end);
        return set_state(domain, end, XenbusStateInitWait);
    case XenbusStateConnected:
        if (!end.connected && !connect(domain, guest, end))
            set_state(domain, end, XenbusStateClosed);
        return;
    case XenbusStateClosing:
    case XenbusStateClosed:
        part(domain, end);
        return set_state(domain, end, state);
    default:
        return;
    }
}

// False, and said why: the front end is told that the device is closed.
bool Interfaces::connect(DomainId domain, const manifest::Guest& guest, InterfaceEnd& end) {
    Place place{domain, end};
    const auto complain = [&](std::string_view why) {
        guest::print("dom0: guest '{}': interface {}: {}\n", name_of(guest), end.interface->index, why);
        return false;
    };
    const auto number = [&](std::string_view leaf) { return store_->number(domain, place.front(leaf)); };
    const auto tx = number("/tx-ring-ref"), rx = number("/rx-ring-ref"), port = number("/event-channel");
    if (!tx || !rx || !port || std::max({*tx, *rx, *port}) > UINT32_MAX)
        return complain("its front end names no rings with one event channel");
    if (number("/request-rx-copy") != 1)
        return complain("its front end does not receive by copy");
    control::ConnectInterface request{};
    request.domain = domain.value();
    request.group = static_cast<std::uint16_t>(guest.group);
    request.interface = end.number;
    request.tx_ring_ref = static_cast<std::uint32_t>(*tx);
    request.rx_ring_ref = static_cast<std::uint32_t>(*rx);
    request.port = static_cast<std::uint32_t>(*port);
    const auto takes = [&](std::string_view leaf, std::uint16_t what) {
        return number(leaf) == 1 ? what : std::uint16_t{0};
    };
    request.takes =
        static_cast<std::uint16_t>(takes("/feature-sg", control::net_takes_slots) |
                                   takes("/feature-gso-tcpv4", control::net_takes_tcp4) |
                                   takes("/feature-gso-tcpv6", control::net_takes_tcp6) |
                                   takes("/request-multicast-control", control::net_takes_its_groups));
    request.has_values = 1;
    std::ranges::copy(guest.ring_values, request.values);
    if (const auto done = connect_interface(request); !done)
        return complain("the hypervisor refuses its rings or its port");
    end.connected = true;
    set_state(domain, end, XenbusStateConnected);
    return true;
}

void Interfaces::part(DomainId domain, InterfaceEnd& end) {
    if (end.connected)
        static_cast<void>(disconnect_interface(domain, end.number)); // it was connected: cannot fail
    end.connected = false;
}

void Interfaces::forget(DomainId domain) {
    std::array<char, 32> below{};
    store_->remove(domain0, guest::format(std::span<char>{below}, "backend/vif/{}", domain));
}

} // namespace bulkhead::dom0
