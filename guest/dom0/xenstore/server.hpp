// Requests in, replies and watch events out. Pure: it works on Connection objects and knows nothing of rings
// or events. No request makes it do more than a bounded amount of work, and nothing a guest sends is trusted.
#pragma once

#include "guest/dom0/xenstore/connection.hpp"
#include "guest/dom0/xenstore/store.hpp"

namespace bulkhead::xenstore {

class Server {
  public:
    void start(const Storage& storage, const Quota& quota);

    void introduce(Connection& connection);
    // Drops what the connection holds in the store. The tree below its home is left to domain 0.
    void release(Connection& connection);
    [[nodiscard]] bool is_introduced(DomainId domain) const;
    // The domain is gone: a later one with its number finds no node of its own and no rights that were meant
    // for it. Its connection was released before.
    void forget(DomainId dead);

    // Answers one whole message. The output must have room for max_message bytes.
    void handle(Connection& connection, const xsd_sockmsg& header, std::string_view payload);
    // Queues the events that are owed, as far as there is room.
    void send_due_events(Connection& connection);

    // Domain 0's own access. Changes take effect at once and fire watches.
    [[nodiscard]] Result<> write(const Path& path, std::string_view value);
    [[nodiscard]] Result<> make(const Path& path, const Permissions& permissions);
    [[nodiscard]] Result<> remove(const Path& path);
    [[nodiscard]] Result<std::string_view> read(const Path& path, std::span<char> out) const;
    [[nodiscard]] const Tree& tree() const { return store_.tree(); }

  private:
    struct Request {
        Connection& from;
        std::uint32_t type;
        std::uint32_t transaction;
        std::string_view payload;
    };
    using Answer = Result<std::string_view>; // the reply's body, in scratch_ or static

    [[nodiscard]] Answer answer(const Request& request);
    [[nodiscard]] Answer node_request(const Request& request);
    [[nodiscard]] Answer run(Viewer who, std::uint32_t type, std::string_view payload);
    [[nodiscard]] Answer change(Viewer who, std::uint32_t type, const Path& path, std::string_view rest);
    [[nodiscard]] Answer domain_path(const Request& request);
    [[nodiscard]] Answer domain_introduced(const Request& request);

    [[nodiscard]] Answer begin_transaction(const Request& request);
    [[nodiscard]] Answer end_transaction(const Request& request);
    [[nodiscard]] Answer within_transaction(const Request& request, Transaction& transaction);
    [[nodiscard]] Result<> record(Connection& connection, Transaction& transaction, const Request& request);
    [[nodiscard]] Answer commit(Connection& connection, Transaction& transaction);
    [[nodiscard]] bool replay(Connection& connection, const Transaction& transaction);
    [[nodiscard]] bool has_conflict(const Transaction& transaction) const;
    void touch(Transaction& transaction, Home home) const;
    void abandon(Connection& connection, Transaction& transaction);

    [[nodiscard]] Answer add_watch(const Request& request);
    [[nodiscard]] Answer drop_watch(const Request& request);
    [[nodiscard]] Answer reset(const Request& request);
    [[nodiscard]] Watch* find_watch(Connection& connection, const Path& path, std::string_view token);
    void forget(Connection& connection, Watch& watch);
    [[nodiscard]] PathHash hash_of(const Path& path) const;
    [[nodiscard]] Watch*& watches_of(PathHash hash) { return watches_[hash % watches_.size()]; }

    // Commits the tree's changes; watches of what was below a removed node are due an event.
    void keep();
    // After that, for each change: counts it and tells the watches at and above the path.
    void changed(const Path& path);
    void tell_all(PathHash hash, std::string_view watched, std::string_view path);
    void make_due(Watch& watch);
    void stamp(const Path& path);
    [[nodiscard]] std::uint64_t last_change(Home home) const;
    void tell(Watch& watch, std::string_view path);
    [[nodiscard]] bool send_event(const Watch& watch, std::string_view path);

    Store store_;
    Connection* connections_ = nullptr;
    std::uint64_t changes_ = 0;
    std::uint64_t changed_everywhere_ = 0;
    std::uint64_t changed_outside_ = 0;
    std::array<std::uint64_t, max_domains> changed_home_{};
    std::array<Watch*, 4096> watches_{}; // chains by the hash of the watched path
    std::array<char, max_payload> scratch_{};
    std::array<char, max_payload + 1> replayed_{};
};

} // namespace bulkhead::xenstore
