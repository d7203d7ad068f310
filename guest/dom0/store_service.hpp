// xenstore for the guests of this machine: the pure server of xenstore/, fed by the rings of the guests and
// their events.
#pragma once

#include "guest/dom0/builder.hpp"
#include "guest/dom0/xenstore/transport.hpp"
#include "guest/runtime/paging.hpp"

namespace bulkhead::dom0 {

// One guest's line to xenstore.
struct StoreLine {
    xenstore::Connection* connection = nullptr; // nullptr: none
    xenstore_domain_interface* ring = nullptr;
    Port port;
    bool waiting = false; // an event came, or work was left over
};

class StoreService {
  public:
    // Sets storage aside for `guests` guests with `vcpus` and `disks` in all, and makes domain 0's own
    // entries.
    void start(std::size_t guests, std::size_t vcpus, std::size_t devices);

    // Makes the guest's part of the tree and connects its ring.
    [[nodiscard]] guest::Result<StoreLine> open(const Built& built, const manifest::Guest& guest);
    // Forgets the guest. Its frame is no longer mapped afterwards.
    void close(StoreLine& line);
    // Notices an event or another's change; true if there is something to serve.
    [[nodiscard]] static bool look(StoreLine& line);
    // One turn for one guest.
    void serve(StoreLine& line);

    // Asks a guest to end its life ("poweroff", "reboot"), or to take or give back memory. It may not listen.
    void ask(DomainId domain, std::string_view what);
    void set_memory_target(DomainId domain, std::int64_t bytes);

    // Domain 0's own access; `below` is a path that is relative to the domain's home. What goes wrong is said
    // on the console.
    void put(DomainId domain, std::string_view below, std::string_view value);
    void put(DomainId domain, std::string_view below, std::uint64_t value);
    void make(DomainId domain, std::string_view below, const xenstore::Permissions& permissions);
    void remove(DomainId domain, std::string_view below); // nothing if it is not there
    // Empty if it is not there, or longer than `out`.
    [[nodiscard]] std::string_view text(DomainId domain, std::string_view below, std::span<char> out) const;
    [[nodiscard]] std::optional<std::uint64_t> number(DomainId domain, std::string_view below) const;

    // What domain 0 has in the tree.
    [[nodiscard]] xenstore::Usage usage() const { return server_.tree().usage(DomainId{0}); }

  private:
    void describe(const Built& built, const manifest::Guest& guest);

    xenstore::Server server_;
};

} // namespace bulkhead::dom0
