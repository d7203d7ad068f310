// What xenstore keeps for one guest: bytes on their way in and out, its watches and its transactions. All of
// it is in this structure, which comes from memory set aside for that guest, so no guest can use up another
// one's.
#pragma once

#include "guest/dom0/xenstore/tree.hpp"

#include <xen/io/xs_wire.h>

namespace bulkhead::xenstore {

inline constexpr std::size_t max_payload = XENSTORE_PAYLOAD_MAX;
inline constexpr std::size_t max_message = sizeof(xsd_sockmsg) + max_payload;
inline constexpr std::size_t max_watches = 128;
inline constexpr std::size_t max_transactions = 10;

// Bytes for the guest, first in first out.
class OutputQueue {
  public:
    [[nodiscard]] std::size_t room() const { return bytes_.size() - used_; }
    [[nodiscard]] bool empty() const { return used_ == 0; }
    void append(std::string_view bytes);   // at most room() of them
    std::size_t take(std::span<char> out); // returns how many were there

  private:
    std::array<char, 4 * max_message> bytes_;
    std::size_t first_ = 0;
    std::size_t used_ = 0;
};

struct Connection;

struct Watch {
    Connection* of = nullptr; // nullptr: free
    Watch* next = nullptr;    // in the server's chain
    PathHash hash = 0;
    bool relative = false; // events name paths the way the guest did
    bool due = false; // an event for the watched path itself is owed, because it is new or there was no room
    Text path, token;
};

// A layer over the tree that shows what the transaction did, and its requests, which are played on the tree
// when it is committed.
struct Transaction {
    static constexpr std::size_t max_writes = 32, max_homes = 8;
    struct Touched {
        Home home;
        std::uint64_t since; // the store's change counter when the transaction first looked there
    };

    std::uint32_t id = 0; // 0: free
    std::uint64_t began = 0;
    std::uint32_t writes = 0;
    std::uint32_t homes = 0; // more than max_homes: any change at all is a conflict
    std::array<Text, max_writes> log{};
    std::array<Touched, max_homes> touched{};
    Layer layer{};
};

struct Connection {
    explicit Connection(DomainId id) : domain{id} {}

    DomainId domain;
    bool broken = false;   // the guest violated the ring's protocol; it is not served any more
    bool told = false;     // another's change was told to a watch of it since its last turn: it is due a turn
    bool may_know = false; // the change at hand
    std::uint32_t told_times = 0; // of the change at hand
    std::uint64_t told_of = 0;    // number of that change
    std::uint32_t due_events = 0; // watches that are due
    Connection* next = nullptr;
    std::uint32_t requests_read = 0; // our own ring indexes: the guest could change the shared ones
    std::uint32_t replies_written = 0;
    std::uint32_t last_transaction = 0;
    std::size_t input_used = 0;
    std::array<char, max_message> input;
    OutputQueue output;
    std::array<Watch, max_watches> watches{};
    std::array<Transaction, max_transactions> transactions{};
};

} // namespace bulkhead::xenstore
