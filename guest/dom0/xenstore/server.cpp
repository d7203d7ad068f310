// See server.hpp. Requests about nodes, and the answers to them.
#include "guest/dom0/xenstore/server.hpp"

#include "guest/dom0/xenstore/strings.hpp"

namespace bulkhead::xenstore {
namespace {

using namespace std::string_view_literals;

constexpr auto ok = "OK\0"sv;

bool is_change(std::uint32_t type) {
    return type == XS_WRITE || type == XS_MKDIR || type == XS_RM || type == XS_SET_PERMS;
}

bool is_about_nodes(std::uint32_t type) {
    return is_change(type) || type == XS_READ || type == XS_DIRECTORY || type == XS_GET_PERMS;
}

} // namespace

void Server::start(const Storage& storage, const Quota& quota) {
    store_.start(storage, quota);
    connections_ = nullptr;
    watches_ = {};
}

void Server::introduce(Connection& connection) {
    connection.next = connections_;
    connections_ = &connection;
}

void Server::release(Connection& connection) {
    for (auto& watch : connection.watches)
        forget(connection, watch);
    for (auto& transaction : connection.transactions)
        abandon(connection, transaction);
    Connection** link = &connections_;
    while (*link && *link != &connection)
        link = &(*link)->next;
    if (*link)
        *link = connection.next;
}

void Server::forget(DomainId dead) {
    auto& tree = store_.tree();
    tree.withdraw_rights(dead);
    for (NodeId node = tree.root(); (node = tree.next_owned_by(dead, node + 1)) != 0;) {
        const auto path = Path::parse(tree.path_of(node, scratch_), dead);
        if (!path ||
            !tree.remove(nullptr, node)) // neither can be: it is in the tree, and the journal is empty
            continue;
        keep();
        changed(*path);
    }
}

bool Server::is_introduced(DomainId domain) const {
    for (auto* connection = connections_; connection; connection = connection->next)
        if (connection->domain == domain)
            return true;
    return domain == DomainId{0};
}

void Server::handle(Connection& connection, const xsd_sockmsg& header, std::string_view payload) {
    const auto body = answer({connection, header.type, header.tx_id, payload});
    std::array<char, 16> error{};
    std::string_view text;
    if (body) {
        text = *body;
    } else {
        const auto code = name(body.error());
        code.copy(error.data(), code.size());
        text = {error.data(), code.size() + 1};
    }
    const xsd_sockmsg reply{.type = body ? header.type : std::uint32_t{XS_ERROR},
                            .req_id = header.req_id,
                            .tx_id = header.tx_id,
                            .len = static_cast<std::uint32_t>(text.size())};
    connection.output.append({reinterpret_cast<const char*>(&reply), sizeof reply});
    connection.output.append(text);
}

Server::Answer Server::answer(const Request& request) {
    if (is_about_nodes(request.type))
        return node_request(request);
    switch (request.type) {
    case XS_WATCH:
        return add_watch(request);
    case XS_UNWATCH:
        return drop_watch(request);
    case XS_RESET_WATCHES:
        return reset(request);
    case XS_TRANSACTION_START:
        return begin_transaction(request);
    case XS_TRANSACTION_END:
        return end_transaction(request);
    case XS_GET_DOMAIN_PATH:
        return domain_path(request);
    case XS_IS_DOMAIN_INTRODUCED:
        return domain_introduced(request);
    default:
        return fail(Error::no_such_call);
    }
}

Server::Answer Server::node_request(const Request& request) {
    if (request.transaction != 0) {
        for (auto& transaction : request.from.transactions)
            if (transaction.id == request.transaction)
                return within_transaction(request, transaction);
        return fail(Error::missing);
    }
    const auto body = run(request.from.domain, request.type, request.payload);
    if (!is_change(request.type))
        return body;
    if (!body) {
        store_.tree().roll_back();
        return body;
    }
    keep();
    auto rest = request.payload;
    if (const auto path = Path::parse(*take_string(rest), request.from.domain))
        changed(*path);
    return body;
}

// One request on the tree as it is now. A change is left in the journal.
Server::Answer Server::run(Viewer who, std::uint32_t type, std::string_view payload) {
    store_.tree().meter().add(payload.size() / 16);
    auto rest = payload;
    const auto text = take_string(rest);
    const auto path = text ? Path::parse(*text, who.domain) : fail(Error::invalid);
    if (!path)
        return fail(path.error());
    const bool has_more = type == XS_WRITE || type == XS_SET_PERMS;
    if (!has_more && !rest.empty())
        return fail(Error::invalid);
    switch (type) {
    case XS_READ:
        return store_.read(who, *path, scratch_);
    case XS_DIRECTORY:
        return store_.directory(who, *path, scratch_);
    case XS_GET_PERMS:
        return store_.get_permissions(who, *path, scratch_);
    default:
        return change(who, type, *path, rest);
    }
}

Server::Answer Server::change(Viewer who, std::uint32_t type, const Path& path, std::string_view rest) {
    Result<> done;
    if (type == XS_WRITE) {
        done = store_.write(who, path, rest);
    } else if (type == XS_MKDIR) {
        done = store_.make_directory(who, path);
    } else if (type == XS_RM) {
        done = store_.remove(who, path);
    } else {
        const auto permissions = parse_permissions(rest);
        done = permissions ? store_.set_permissions(who, path, *permissions) : fail(permissions.error());
    }
    return done ? Answer{ok} : fail(done.error());
}

Server::Answer Server::domain_path(const Request& request) {
    const auto text = only_string(request.payload);
    const auto id = text ? parse_decimal(*text, 0xffff) : fail(Error::invalid);
    if (!id)
        return fail(Error::invalid);
    const auto path = Path::home_of(DomainId{static_cast<std::uint16_t>(*id)});
    path.text().copy(scratch_.data(), path.text().size());
    scratch_[path.text().size()] = '\0';
    return std::string_view{scratch_.data(), path.text().size() + 1};
}

Server::Answer Server::domain_introduced(const Request& request) {
    const auto text = only_string(request.payload);
    const auto id = text ? parse_decimal(*text, 0xffff) : fail(Error::invalid);
    if (!id)
        return fail(Error::invalid);
    return is_introduced(DomainId{static_cast<std::uint16_t>(*id)}) ? "T\0"sv : "F\0"sv;
}

Result<> Server::write(const Path& path, std::string_view value) {
    const auto done = store_.write(DomainId{0}, path, value);
    if (!done)
        return store_.tree().roll_back(), done;
    keep();
    changed(path);
    return {};
}

Result<> Server::make(const Path& path, const Permissions& permissions) {
    auto done = store_.make_directory(DomainId{0}, path);
    if (done)
        done = store_.set_permissions(DomainId{0}, path, permissions);
    if (!done)
        return store_.tree().roll_back(), done;
    keep();
    changed(path);
    return {};
}

Result<> Server::remove(const Path& path) {
    const auto done = store_.remove(DomainId{0}, path);
    if (!done)
        return store_.tree().roll_back(), done;
    keep();
    changed(path);
    return {};
}

Result<std::string_view> Server::read(const Path& path, std::span<char> out) const {
    return store_.read(DomainId{0}, path, out);
}

} // namespace bulkhead::xenstore
