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

Watch* Server::find_watch(Connection& connection, std::string_view path, std::string_view token) {
    const auto& blocks = store_.tree().blocks();
    for (auto& watch : connection.watches)
        if (watch.used && blocks.equals(watch.path, path) && blocks.equals(watch.token, token))
            return &watch;
    return nullptr;
}

Server::Answer Server::add_watch(const Request& request) {
    const auto names = parse(request.payload, request.from.domain);
    if (!names)
        return fail(names.error());
    if (find_watch(request.from, names->path.text(), names->token))
        return fail(Error::exists);
    for (auto& watch : request.from.watches) {
        if (watch.used)
            continue;
        const auto path = store_.tree().keep(request.from.domain, names->path.text());
        if (!path)
            return fail(path.error());
        const auto token = store_.tree().keep(request.from.domain, names->token);
        if (!token) {
            store_.tree().drop(request.from.domain, *path);
            return fail(token.error());
        }
        watch = {.used = true, .relative = names->relative, .due = true, .path = *path, .token = *token};
        return "OK\0"sv;
    }
    return fail(Error::no_space);
}

Server::Answer Server::drop_watch(const Request& request) {
    const auto names = parse(request.payload, request.from.domain);
    if (!names)
        return fail(names.error());
    auto* const watch = find_watch(request.from, names->path.text(), names->token);
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
    if (!watch.used)
        return;
    store_.tree().drop(connection.domain, watch.path);
    store_.tree().drop(connection.domain, watch.token);
    watch = {};
}

void Server::changed(const Path& path, bool removed) {
    stamp(path);
    for (auto* connection = connections_; connection; connection = connection->next)
        for (auto& watch : connection->watches)
            if (store_.tree().blocks().meter().add(1); watch.used)
                tell(*connection, watch, path.text(), removed);
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

void Server::tell(Connection& connection, Watch& watch, std::string_view path, bool removed) {
    const auto& blocks = store_.tree().blocks();
    const auto equal = blocks.common(watch.path, path);
    const bool on_root = watch.path.length == 1;
    const bool below = equal == watch.path.length && (on_root || path.size() == equal || path[equal] == '/');
    const bool above = removed && equal == path.size() && blocks.at(watch.path, equal) == '/';
    if ((!below && !above) || watch.due || !store_.may_know(connection.domain, path))
        return;
    connection.told = true;
    // Room for one reply stays free: it may be the one to the request that caused this event.
    const auto needed = sizeof(xsd_sockmsg) + path.size() + watch.token.length + 2;
    if (above || connection.output.room() < needed + max_message || !send_event(connection, watch, path))
        watch.due = true;
}

void Server::send_due_events(Connection& connection) {
    for (auto& watch : connection.watches) {
        if (!watch.due || connection.output.room() < 2 * max_message)
            continue;
        std::array<char, max_absolute_path> path;
        watch.due = !send_event(connection, watch, store_.tree().blocks().copy(watch.path, path));
    }
}

// False if the event is larger than a message may be.
bool Server::send_event(Connection& connection, const Watch& watch, std::string_view path) {
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
