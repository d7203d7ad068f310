// A network front end (<xen/io/netif.h>, one page for each ring, one event channel): finds its interface
// through xenstore, sends packets and takes those that come. Requests may also be put as they are given,
// right or wrong.
#pragma once

#include "guest/runtime/grants.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/result.hpp"

#include <array>
#include <optional>
#include <span>

extern "C" {
#include <xen/io/netif.h>
}

namespace bulkhead::guest::net_device {

inline constexpr std::uint32_t slots = 256;           // of each ring
inline constexpr std::uint32_t pages = 64;            // lent for packets, in each direction
inline constexpr std::uint32_t largest_packet = 1514; // without a VLAN tag
using Mac = std::array<std::byte, 6>;

struct Setup {
    std::uint32_t index = 0;     // 0 is eth0
    RING_IDX first = 0;          // the rings' indices begin there
    std::uint32_t given = pages; // for packets that come, at first
    bool takes_large = false;    // packets in several slots, and TCP segments that are not cut
    bool filters_groups = false; // packets for groups that it has named only
};

class Front {
  public:
    // Waits until the back end is connected, at most a second.
    [[nodiscard]] static Result<Front> connect(const Setup& setup = {});
    // The way back, until the back end has let go.
    Status disconnect();

    [[nodiscard]] const Mac& mac() const { return mac_; }
    [[nodiscard]] Port port() const { return port_; }

    // The page of the next packet to be sent; empty while all of them are on their way.
    [[nodiscard]] std::span<std::byte> room();
    // Sends the first `bytes` bytes of it; `flags` are NETTXF_*. push() shows it to the back end.
    void send(std::uint32_t bytes, std::uint16_t flags = 0);
    void push();
    [[nodiscard]] std::uint64_t failures() const {
        return failures_;
    } // packets that were answered with an error

    // A packet that has come, or the next page of one; it stays until done(). If there is none, the back end
    // is asked to notify.
    struct Packet {
        std::span<const std::byte> bytes;
        std::uint16_t flags; // NETRXF_*
        netif_extra_info extra{};
    };
    [[nodiscard]] std::optional<Packet> receive();
    void done(); // its page is given for another packet

    // For tests: requests as they are, and the responses to them.
    [[nodiscard]] netif_tx_request request(std::uint32_t page, std::uint32_t bytes) const;
    [[nodiscard]] Page* page(std::uint32_t number) { return tx_pages_ + number; }
    void put(const netif_tx_request& request);
    void put(const netif_extra_info& extra);
    [[nodiscard]] std::optional<netif_tx_response> answer();
    void overflow(std::uint32_t by) { produced_ += by; } // the producer moves without a request
    void give(GrantRef ref);                             // a page for a packet that comes, shown at once
    void move_rx_producer(std::uint32_t by);

  private:
    void take_answers();
    Status announce();

    std::uint32_t index_ = 0;
    netif_tx_sring* tx_ = nullptr;
    netif_rx_sring* rx_ = nullptr;
    GrantRef tx_ref_{}, rx_ref_{};
    Port port_{};
    Mac mac_{};
    Page* tx_pages_ = nullptr;
    Page* rx_pages_ = nullptr;
    std::array<GrantRef, pages> tx_refs_{}, rx_refs_{};
    std::uint64_t free_ = ~std::uint64_t{0}; // bit n: page n is not on its way
    RING_IDX produced_ = 0, shown_ = 0, consumed_ = 0;
    RING_IDX given_ = 0, received_ = 0; // of the rx ring; packet n lies in page n % pages
    std::uint32_t skipped_ = 0;         // pages that had nothing, and are given with the next one
    bool takes_large_ = false, filters_groups_ = false;
    std::uint64_t failures_ = 0;
};

} // namespace bulkhead::guest::net_device
