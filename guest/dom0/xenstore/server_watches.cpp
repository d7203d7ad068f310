// Watches of server.hpp. An event names the changed path if there is room for it in the connection's output;
// if not, the watch is marked, and one event for the watched path follows when there is room. So a guest that
// does not read its ring costs nothing more, and still misses no change.
#include "guest/dom0/xenstore/server.hpp"
#include "guest/dom0/xenstore/strings.hpp"

namespace bulkhead::xenstore {
namespace {

using namespace std::string_view_literals;

// Path and token of a watch request.
struct WatchNames {
    Path path;
    std::string_view token;
    bool relative;
};

Result<WatchNames> parse(std::string_view payload, DomainId domain) {
    const auto path = take_string(payload);
    const auto token = only_string(payload);
    if (!path || !token)
        return fail(Error::invalid);
    const auto checked = Path::parse(*path, domain);
    if (!checked)
        return fail(checked.error());
    return WatchNames{*checked, *token, !path->starts_with('/')};
}

} // namespace

PathHash Server::hash_of(const Path& path) const {
    auto hash = tree().hash_of_root();
    auto rest = path.text();
    for (auto name = take_name(rest); !name.empty(); name = take_name(rest))
        hash = below(hash, name);
    return hash;
}

Watch* Server::find_watch(Connection& connection, const Path& path, std::string_view token) {
    const auto& blocks = store_.tree().blocks();
    const auto hash = hash_of(path);
    for (auto* watch = watches_of(hash); watch; watch = watch->next) {
        blocks.meter().add(1);
        if (watch->of == &connection && watch->hash == hash && blocks.equals(watch->token, token) &&
            blocks.equals(watch->path, path.text()))
            return watch;
    }
    return nullptr;
}

Server::Answer Server::add_watch(const Request& request) {
    const auto names = parse(request.payload, request.from.domain);
    if (!names)
        return fail(names.error());
    if (find_watch(request.from, names->path, names->token))
        return fail(Error::exists);
    for (auto& watch : request.from.watches) {
        if (watch.of != nullptr)
            continue;
        const auto path = store_.tree().keep(request.from.domain, names->path.text());
        if (!path)
            return fail(path.error());
        const auto token = store_.tree().keep(request.from.domain, names->token);
        if (!token) {
            store_.tree().drop(request.from.domain, *path);
            return fail(token.error());
        }
        const auto hash = hash_of(names->path);
        watch = {.of = &request.from,
                 .next = watches_of(hash),
                 .hash = hash,
                 .relative = names->relative,
                 .due = false,
                 .path = *path,
                 .token = *token};
        watches_of(hash) = &watch;
        make_due(watch);
        return "OK\0"sv;
    }
    return fail(Error::no_space);
}

Server::Answer Server::drop_watch(const Request& request) {
    const auto names = parse(request.payload, request.from.domain);
    if (!names)
        return fail(names.error());
    auto* const watch = find_watch(request.from, names->path, names->token);
    if (!watch)
        return fail(Error::missing);
    forget(request.from, *watch);
    return "OK\0"sv;
}

Server::Answer Server::reset(const Request& request) {
    for (auto& watch : request.from.watches)
        forget(request.from, watch);
    for (auto& transaction : request.from.transactions)
        abandon(request.from, transaction);
    return "OK\0"sv;
}

void Server::forget(Connection& connection, Watch& watch) {
    if (watch.of == nullptr)
        return;
    Watch** link = &watches_of(watch.hash);
    while (*link != &watch) {
        store_.tree().meter().add(1);
        link = &(*link)->next;
    }
    *link = watch.next;
    connection.due_events -= watch.due ? 1 : 0;
    store_.tree().drop(connection.domain, watch.path);
    store_.tree().drop(connection.domain, watch.token);
    watch = {};
}

// Watches of nodes that go with one above them: their guests learn it if they may read where that one was.
void Server::keep() {
    auto& tree = store_.tree();
    tree.each_orphan([&](NodeId top, NodeId node) {
        for (auto* watch = watches_of(tree[node].hash); watch; watch = watch->next) {
            tree.meter().add(1);
            if (watch->hash != tree[node].hash || watch->due ||
                !store_.may_read(watch->of->domain, tree[top].parent))
                continue;
            watch->of->told = true;
            make_due(*watch);
        }
    });
    tree.commit();
}

void Server::changed(const Path& path) {
    stamp(path);
    auto hash = tree().hash_of_root();
    tell_all(hash, "/"sv, path.text());
    auto rest = path.text();
    for (auto name = take_name(rest); !name.empty(); name = take_name(rest)) {
        hash = below(hash, name);
        tell_all(hash, path.text().substr(0, path.text().size() - rest.size()), path.text());
    }
}

void Server::tell_all(PathHash hash, std::string_view watched, std::string_view path) {
    const auto& blocks = store_.tree().blocks();
    for (auto* watch = watches_of(hash); watch; watch = watch->next) {
        blocks.meter().add(1);
        if (watch->hash == hash && !watch->due && blocks.equals(watch->path, watched))
            tell(*watch, path);
    }
}

// A home's own node shows in the list of homes, and a node above the homes holds them all.
void Server::stamp(const Path& path) {
    ++changes_;
    const Home home = path.home();
    if (home < max_domains)
        changed_home_[home] = changes_;
    if (home == outside_homes ||
        path.text().size() == Path::home_of(DomainId{static_cast<std::uint16_t>(home)}).text().size())
        changed_outside_ = changes_;
    if (is_at_or_below(domains.substr(0, domains.size() - 1), path.text()))
        changed_everywhere_ = changes_;
}

std::uint64_t Server::last_change(Home home) const {
    const auto own = home < max_domains ? changed_home_[home] : changed_outside_;
    return own > changed_everywhere_ ? own : changed_everywhere_;
}

// A guest with many watches of one path is told a few times at once. The others are due: their events cost
// its own turns.
void Server::tell(Watch& watch, std::string_view path) {
    constexpr std::uint32_t at_once = 4;
    auto& connection = *watch.of;
    if (connection.told_of != changes_) {
        connection.told_of = changes_;
        connection.told_times = 0;
        connection.may_know = store_.may_know(connection.domain, path);
    }
    if (!connection.may_know)
        return;
    connection.told = true;
    // Room for one reply stays free: it may be the one to the request that caused this event.
    const auto needed = sizeof(xsd_sockmsg) + path.size() + watch.token.length + 2;
    if (++connection.told_times > at_once || connection.output.room() < needed + max_message ||
        !send_event(watch, path))
        make_due(watch);
}

void Server::make_due(Watch& watch) {
    watch.due = true;
    ++watch.of->due_events;
}

void Server::send_due_events(Connection& connection) {
    if (connection.due_events == 0)
        return;
    for (auto& watch : connection.watches) {
        store_.tree().meter().add(1);
        if (!watch.due || connection.output.room() < 2 * max_message)
            continue;
        std::array<char, max_absolute_path> path;
        if (!send_event(watch, store_.tree().blocks().copy(watch.path, path)))
            continue;
        watch.due = false;
        --connection.due_events;
    }
}

// False if the event is larger than a message may be.
bool Server::send_event(const Watch& watch, std::string_view path) {
    auto& connection = *watch.of;
    const auto home = Path::home_of(connection.domain);
    if (watch.relative && path.size() > home.text().size() && is_at_or_below(path, home.text()))
        path.remove_prefix(home.text().size() + 1);
    const auto length = path.size() + watch.token.length + 2;
    if (length > max_payload)
        return false;
    const xsd_sockmsg header{
        .type = XS_WATCH_EVENT, .req_id = 0, .tx_id = 0, .len = static_cast<std::uint32_t>(length)};
    connection.output.append({reinterpret_cast<const char*>(&header), sizeof header});
    connection.output.append(path);
    connection.output.append("\0"sv);
    connection.output.append(store_.tree().blocks().copy(watch.token, replayed_));
    connection.output.append("\0"sv);
    return true;
}

} // namespace bulkhead::xenstore
