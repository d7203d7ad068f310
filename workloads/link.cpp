// Setting up the link between pinger and responder: grant, port, and their numbers in xenstore.
#include "workloads/link.hpp"

#include "guest/runtime/events.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/xenstore.hpp"

namespace bulkhead::workload {
namespace {

using namespace bulkhead::guest;

template<class T>
T must(const Result<T>& result, std::string_view what) {
    if (!result)
        panic("link: {}: {}", what, result.error());
    return *result;
}

std::string_view link_path(std::span<char> buffer, DomainId owner, DomainId peer, std::string_view leaf) {
    return format(buffer, "/local/domain/{}/data/link/{}/{}", owner, peer, leaf);
}

void publish(DomainId own, DomainId peer, std::string_view leaf, std::uint64_t value) {
    std::array<char, 96> path{};
    if (const auto written = xenstore::write_number(link_path(path, own, peer, leaf), value); !written)
        panic("link: cannot write {}: {}", leaf, written.error());
}

std::uint64_t fetch(DomainId owner, DomainId own, std::string_view leaf) {
    std::array<char, 96> path{};
    return must(xenstore::await_number(link_path(path, owner, own, leaf)), leaf);
}

} // namespace

DomainId await_peer(std::string_view peer) {
    if (!has_xenstore())
        panic("link: this guest has no xenstore, so it cannot find '{}'", peer);
    for (;;) {
        const auto id = xenstore::find_domain(peer);
        if (id)
            return *id;
        if (id.error() != Error::no_entry)
            panic("link: cannot look up '{}': {}", peer, id.error());
        sleep(bulkhead::milliseconds(1));
    }
}

Connection offer_link(DomainId peer) {
    const DomainId own = must(xenstore::own_id(), "own domain id");
    Page* const page = allocate_pages();
    auto* const link = reinterpret_cast<Link*>(page);
    const GrantRef ref = must(grants::lend(page, peer), "lend a page");
    const Port port = must(events::allocate_unbound(peer), "open a port");
    events::listen(port);
    publish(own, peer, "ref", ref.value());
    publish(own, peer, "port", port.value());
    while (load(link->responder_ready) == 0)
        static_cast<void>(events::wait(port, now() + bulkhead::milliseconds(10)));
    return {.link = link, .port = port};
}

Connection accept_link(DomainId peer) {
    const DomainId own = must(xenstore::own_id(), "own domain id");
    const std::uint64_t remote = fetch(peer, own, "port");
    const std::uint64_t ref = fetch(peer, own, "ref");
    const auto mapping = must(grants::map(peer, GrantRef{static_cast<std::uint32_t>(ref)}), "map the page");
    const Port port =
        must(events::bind_interdomain(peer, Port{static_cast<std::uint32_t>(remote)}), "bind the port");
    auto* const link = reinterpret_cast<Link*>(mapping.page);
    events::listen(port);
    store(link->responder_ready, 1);
    static_cast<void>(events::notify(port));
    return {.link = link, .port = port};
}

} // namespace bulkhead::workload
