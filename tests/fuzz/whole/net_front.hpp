// A network front end that keeps the protocol's rules, and holds its back end to them.
#pragma once

#include "tests/fuzz/input.hpp"
#include "tests/fuzz/whole/front_pages.hpp"

#include <deque>
#include <list>

extern "C" {
#include <xen/io/netif.h>
}

namespace bulkhead::hv::whole {

class NetFront {
  public:
    NetFront(const Domain& domain, FrontPages& pages) : domain_{domain}, pages_{pages} {}

    // As those of BlockFront.
    void initialise(RING_IDX base);
    void connected() { is_connected_ = true; }
    void closing() { is_connected_ = false; }
    [[nodiscard]] std::string disconnected();
    [[nodiscard]] bool is_connected() const { return is_connected_; }
    [[nodiscard]] bool send(test::Input& input);
    // Gives pages for packets to come.
    [[nodiscard]] bool offer(test::Input& input);
    [[nodiscard]] std::string hear();
    [[nodiscard]] bool has_all_answers() const { return sent_.empty(); } // pages that are offered may wait

  private:
    struct Sent {
        std::uint32_t page;
        std::list<std::uint16_t> ids; // of its requests without an answer
    };
    struct Offered {
        std::uint16_t id;
        std::uint32_t page;
    };
    void send_one(test::Input& input);
    [[nodiscard]] std::string hear_sent(const netif_tx_response& response);
    [[nodiscard]] std::string hear_packet();
    [[nodiscard]] std::string hear_extra();
    [[nodiscard]] std::string hear_received(const netif_rx_response& response, std::uint32_t least);
    [[nodiscard]] std::string give_back(std::uint32_t page);
    [[nodiscard]] netif_tx_sring& tx() const { return pages_.as<netif_tx_sring>(pages_.tx_ring()); }
    [[nodiscard]] netif_rx_sring& rx() const { return pages_.as<netif_rx_sring>(pages_.rx_ring()); }

    const Domain& domain_;
    FrontPages& pages_;
    bool is_connected_ = false;
    RING_IDX tx_produced_ = 0, tx_consumed_ = 0, rx_produced_ = 0, rx_consumed_ = 0;
    std::uint16_t next_id_ = 1;
    std::list<Sent> sent_;
    std::deque<Offered> offered_;
};

} // namespace bulkhead::hv::whole
