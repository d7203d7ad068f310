// The front ends of all guests: some keep the protocols' rules, the others break them as an input says.
#pragma once

#include "abi/control.hpp"
#include "tests/fuzz/whole/block_front.hpp"
#include "tests/fuzz/whole/calls.hpp"
#include "tests/fuzz/whole/net_front.hpp"

#include <map>
#include <memory>
#include <optional>

namespace bulkhead::hv::whole {

// Of the machine: the last disk is read-only.
inline constexpr std::uint32_t disks = 3, interfaces = 4;
// Of a machine with a policy of memory: the last one's place is in a table of its own.
inline constexpr std::uint32_t most_interfaces = 9;
inline constexpr std::uint64_t disk_bytes = 64 * 1024;
// What its guest takes: everything, or only packets of a page, for groups that it has named or for all.
[[nodiscard]] constexpr std::uint16_t takes_of(std::uint32_t interface) {
    return interface % 2 == 0 ? control::net_takes_slots | control::net_takes_tcp4 | control::net_takes_tcp6
                              : control::net_takes_its_groups;
}
[[nodiscard]] constexpr std::array<std::uint8_t, 6> address_of_interface(std::uint32_t number) {
    return {0, 0x16, 0x3e, 0, 0, static_cast<std::uint8_t>(number + 1)};
}

enum class Device : std::uint8_t { disk, interface };

class FrontEnd {
  public:
    FrontEnd(Domain& domain, test::Input& input);
    [[nodiscard]] bool behaves() const { return behaves_; }
    // What a vCPU of the guest calls now; nothing: a call that any guest may make.
    [[nodiscard]] std::optional<Call> next(Place& place);

    // What domain 0 reads in the store: a port that waits for it, or 0; what is connected, and where.
    [[nodiscard]] std::uint32_t waiting_port() const;
    [[nodiscard]] const FrontPages& pages() const { return pages_; }
    [[nodiscard]] std::optional<std::uint32_t> number(Device device) const { return at(device).number; }
    // What domain 0 does.
    void connecting(Device device);
    void connected(Device device, std::uint32_t number, std::uint32_t port);
    void disconnecting(Device device);
    void disconnected(Device device);

    // Takes what has come; empty if everything is as it must be.
    [[nodiscard]] std::string judge();
    [[nodiscard]] bool has_all_answers() const;

  private:
    struct Connection {
        std::optional<std::uint32_t> number;
        std::uint32_t port = 0;
    };
    [[nodiscard]] const Connection& at(Device device) const {
        return connections_[static_cast<unsigned>(device)];
    }
    [[nodiscard]] Connection& at(Device device) { return connections_[static_cast<unsigned>(device)]; }
    [[nodiscard]] std::optional<Call> prepare(Place& place) const;
    [[nodiscard]] Call behave(Place& place);
    [[nodiscard]] std::optional<Call> misbehave(Place& place);
    void break_block_ring();
    void break_tx_ring();
    void break_rx_ring();
    void break_list();
    void break_grant();
    void change_later();
    template<class T>
    [[nodiscard]] T* own(std::uint32_t page) const;
    [[nodiscard]] blkif_request any_block_request();
    [[nodiscard]] blkif_request_segment any_segment();
    [[nodiscard]] std::uint32_t any_ref();
    [[nodiscard]] std::uint32_t any_index(std::uint32_t now);
    [[nodiscard]] Call signal(Place& place, Device device) const;

    Domain& domain_;
    test::Input& input_;
    FrontPages pages_;
    BlockFront block_;
    NetFront net_;
    bool behaves_;
    std::string problem_; // found outside of judge()
    std::array<Connection, 2> connections_{};
};

class Fronts {
  public:
    explicit Fronts(test::Input& input) : input_{input} {}
    // The domain's memory was filled just now.
    void born(Domain& domain);
    // nullptr: it has none, or is about to go.
    [[nodiscard]] FrontEnd* find(DomainId id);
    // Of those that live. Empty if everything is as it must be.
    [[nodiscard]] std::string judge();
    [[nodiscard]] bool have_all_answers();

  private:
    test::Input& input_;
    std::map<std::uint16_t, std::unique_ptr<FrontEnd>> all_;
};

} // namespace bulkhead::hv::whole
