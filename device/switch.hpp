// A model of a learning Ethernet switch: ports in separate networks, a link and a buffer with tail drop to
// each port, counters. It moves no bytes: it says where a packet goes and when it arrives there.
// Freestanding, deterministic, the same source in every world. Everything that a sender can make it do is
// bounded.
#pragma once

#include "device/link.hpp"
#include "device/segments.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <span>

namespace bulkhead::device {

// An Ethernet address: its six bytes, the first one in the highest place.
struct Mac {
    std::uint64_t bits = 0;
    [[nodiscard]] static constexpr Mac of(std::span<const std::byte, 6> bytes) {
        std::uint64_t bits = 0;
        for (const auto each : bytes)
            bits = bits << 8 | std::to_integer<std::uint64_t>(each);
        return {bits};
    }
    [[nodiscard]] static constexpr Mac all() { return {0xffff'ffff'ffff}; }
    // Of a group of stations, or of all.
    [[nodiscard]] constexpr bool is_group() const { return (bits >> 40 & 1) != 0; }
    constexpr bool operator==(const Mac&) const = default;
};

struct SwitchModel {
    Link link{}; // from the switch to each port
    // Places that a port has for packets to its station, those on the link included. One packet of a usual
    // size takes one.
    std::uint32_t buffer = 64;
};

// What a packet takes of a port.
struct Load {
    std::uint32_t places = 1;
    Wire wire{};
};

struct PortCounters {
    std::uint64_t sent_packets = 0, sent_bytes = 0;         // by its station
    std::uint64_t received_packets = 0, received_bytes = 0; // that its station took
    std::uint64_t dropped = 0;                              // for want of buffer, or as not wanted
    std::uint64_t flooded = 0;                              // sent to every port, as their place was unknown
};

class Switch {
  public:
    static constexpr std::uint32_t max_ports = 256;
    static constexpr std::uint32_t most_learned = 8; // addresses of one port, beside its own
    // A sender holds at most so many times the free places of a buffer, so that floods never fill it: one
    // alone has three quarters of it, and there is room for others. Source: A. K. Choudhury, E. L. Hahne,
    // "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on
    // Networking 1998.
    static constexpr std::uint32_t most_of_free = 3;
    static constexpr std::uint32_t no_port = ~std::uint32_t{0}, all_ports = no_port - 1;

    constexpr explicit Switch(const SwitchModel& model) : model_{model} {}

    // A port of the network for the station with that address, which no other port can learn. False if all
    // ports are in use, or the address is taken or one of a group.
    [[nodiscard]] bool add_port(std::uint32_t network, Mac own);
    [[nodiscard]] std::uint32_t ports() const { return count_; }
    [[nodiscard]] const PortCounters& counters(std::uint32_t port) const { return ports_[port].counters; }
    [[nodiscard]] bool are_connected(std::uint32_t a, std::uint32_t b) const {
        return a != b && ports_[a].network == ports_[b].network;
    }

    // A packet of the station at `from`: the port that it goes to, all_ports of its network but `from`, or
    // no_port if its receiver is at `from` itself. Learns where the sender is.
    [[nodiscard]] std::uint32_t forward(std::uint32_t from, Mac source, Mac target, const Wire& wire);
    // Takes places of the port's buffer for a packet that came from `from`. False: it is full, or the sender
    // has its part of it (`most_of_free`), and the packet is dropped.
    [[nodiscard]] bool admit(std::uint32_t port, std::uint32_t from, const Load& load);
    // The port's station does not take such packets.
    void drop(std::uint32_t port, const Wire& wire) { ports_[port].counters.dropped += wire.packets; }
    // When the last of an admitted packet arrives that the switch passes to the port at `now`.
    [[nodiscard]] RealTime send(std::uint32_t port, const Wire& wire, RealTime now) {
        return ports_[port].line.send(model_.link, wire.bytes, now);
    }
    // The station has taken an admitted packet that came from `from`, or `lost` it.
    void release(std::uint32_t port, std::uint32_t from, const Load& load, bool lost);
    // The port's station has gone: its buffer is empty, and what was learned from it forgotten.
    void empty(std::uint32_t port);

  private:
    // An address and its port in one word; 0 is an empty place.
    struct Entry {
        std::uint64_t word = 0;
        [[nodiscard]] static constexpr Entry of(Mac mac, std::uint32_t port) {
            return {mac.bits << 16 | (port + 1)};
        }
        [[nodiscard]] constexpr bool is_empty() const { return word == 0; }
        [[nodiscard]] constexpr bool is(Mac mac) const { return !is_empty() && word >> 16 == mac.bits; }
        [[nodiscard]] constexpr std::uint32_t port() const {
            return static_cast<std::uint32_t>(word & 0xffff) - 1;
        }
    };
    struct Port {
        std::uint32_t network = 0;
        std::uint32_t held = 0;    // places of its buffer
        std::uint32_t learned = 0; // addresses
        LinkLine line{};
        PortCounters counters{};
    };
    static constexpr std::uint32_t own_places = 2 * max_ports, sets = 256, ways = 4;

    [[nodiscard]] static constexpr std::uint32_t hash(Mac mac) {
        return static_cast<std::uint32_t>(mac.bits * 0x9e3779b97f4a7c15 >> 40);
    }
    // Where it is, or where it could be put: half of the places are empty.
    [[nodiscard]] Entry& own_entry(Mac mac) {
        auto place = hash(mac) % own_places;
        while (!own_[place].is_empty() && !own_[place].is(mac))
            place = (place + 1) % own_places;
        return own_[place];
    }
    [[nodiscard]] std::uint32_t find(std::uint32_t from, Mac mac);
    void learn(std::uint32_t from, Mac mac);

    SwitchModel model_;
    std::uint32_t count_ = 0;
    std::array<Port, max_ports> ports_{};
    std::array<std::array<std::uint8_t, max_ports>, max_ports> held_from_{}; // places of a buffer, by sender
    std::array<Entry, own_places> own_{};                // addresses that ports were given
    std::array<std::array<Entry, ways>, sets> others_{}; // learned ones
};

inline bool Switch::add_port(std::uint32_t network, Mac own) {
    auto& entry = own_entry(own);
    if (count_ == max_ports || own.is_group() || !entry.is_empty())
        return false;
    entry = Entry::of(own, count_);
    ports_[count_++].network = network;
    return true;
}

// Its port within the sender's network, or no_port.
inline std::uint32_t Switch::find(std::uint32_t from, Mac mac) {
    const auto is_here = [&](const Entry& entry) {
        return entry.is(mac) && ports_[entry.port()].network == ports_[from].network;
    };
    if (const auto& own = own_entry(mac); is_here(own))
        return own.port();
    for (const auto& entry : others_[hash(mac) % sets])
        if (is_here(entry))
            return entry.port();
    return no_port;
}

// A station moves with the packets it sends, but never to a port that has learned its fill, and never away
// from the port that was given its address. A full set loses its first entry.
inline void Switch::learn(std::uint32_t from, Mac mac) {
    if (mac.is_group() || own_entry(mac).is(mac))
        return;
    auto& set = others_[hash(mac) % sets];
    auto* place = std::find_if(set.begin(), set.end(), [&](const Entry& each) {
        return each.is(mac) && ports_[each.port()].network == ports_[from].network;
    });
    if (place != set.end() && place->port() == from)
        return;
    if (ports_[from].learned == most_learned)
        return;
    if (place == set.end())
        place = std::find_if(set.begin(), set.end(), [](const Entry& each) { return each.is_empty(); });
    if (place == set.end()) {
        --ports_[set.front().port()].learned;
        std::rotate(set.begin(), set.begin() + 1, set.end());
        place = set.end() - 1;
    } else if (!place->is_empty()) {
        --ports_[place->port()].learned;
    }
    *place = Entry::of(mac, from);
    ++ports_[from].learned;
}

inline std::uint32_t Switch::forward(std::uint32_t from, Mac source, Mac target, const Wire& wire) {
    auto& counters = ports_[from].counters;
    counters.sent_packets += wire.packets;
    counters.sent_bytes += wire.bytes;
    learn(from, source);
    const auto found = target.is_group() ? no_port : find(from, target);
    if (found == no_port) {
        ++counters.flooded;
        return all_ports;
    }
    return found != from ? found : no_port;
}

// As if it took its places one after another.
inline bool Switch::admit(std::uint32_t port, std::uint32_t from, const Load& load) {
    auto& to = ports_[port];
    auto& share = held_from_[port][from];
    const auto free = model_.buffer - to.held, more = load.places - 1;
    if (load.places > free || share + more >= most_of_free * (free - more)) {
        drop(port, load.wire);
        return false;
    }
    to.held += load.places;
    share = static_cast<std::uint8_t>(share + load.places);
    return true;
}

inline void Switch::release(std::uint32_t port, std::uint32_t from, const Load& load, bool lost) {
    auto& to = ports_[port];
    auto& share = held_from_[port][from];
    to.held -= load.places;
    share = static_cast<std::uint8_t>(share - load.places);
    if (lost) {
        drop(port, load.wire);
    } else {
        to.counters.received_packets += load.wire.packets;
        to.counters.received_bytes += load.wire.bytes;
    }
}

inline void Switch::empty(std::uint32_t port) {
    ports_[port].held = 0;
    held_from_[port].fill(0);
    if (ports_[port].learned == 0)
        return;
    for (auto& set : others_)
        for (auto& entry : set)
            if (!entry.is_empty() && entry.port() == port)
                entry = {};
    ports_[port].learned = 0;
}

} // namespace bulkhead::device
