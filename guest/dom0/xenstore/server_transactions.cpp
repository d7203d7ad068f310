// Transactions of server.hpp. While a transaction is open nothing of it is in the tree: each request inside
// of it sees and changes the transaction's layer. The end drops the layer, plays the list of the changes on
// the tree and keeps it, unless another request changed a part of the tree that the transaction read.
#include "guest/dom0/xenstore/server.hpp"
#include "guest/dom0/xenstore/strings.hpp"

namespace bulkhead::xenstore {
namespace {

using namespace std::string_view_literals;

// In the log, the request's type stands before its payload.
struct Logged {
    std::uint32_t type;
    std::string_view payload;
};
Logged read_logged(std::string_view text) {
    return {static_cast<unsigned char>(text[0]), {text.data() + 1, text.size() - 1}};
}

} // namespace

Server::Answer Server::begin_transaction(const Request& request) {
    if (request.transaction != 0)
        return fail(Error::busy);
    for (auto& transaction : request.from.transactions) {
        if (transaction.id != 0)
            continue;
        if (++request.from.last_transaction == 0)
            ++request.from.last_transaction;
        transaction = {};
        transaction.id = request.from.last_transaction;
        transaction.began = changes_;
        transaction.layer = store_.tree().open_layer(request.from.domain);
        const Decimal digits{transaction.id};
        digits.text().copy(scratch_.data(), digits.text().size());
        scratch_[digits.text().size()] = '\0';
        return std::string_view{scratch_.data(), digits.text().size() + 1};
    }
    return fail(Error::no_space);
}

Server::Answer Server::end_transaction(const Request& request) {
    const auto word = only_string(request.payload);
    if (!word || (*word != "T"sv && *word != "F"sv))
        return fail(Error::invalid);
    for (auto& transaction : request.from.transactions) {
        if (request.transaction == 0 || transaction.id != request.transaction)
            continue;
        auto body = *word == "T"sv ? commit(request.from, transaction) : Answer{"OK\0"sv};
        abandon(request.from, transaction);
        return body;
    }
    return fail(Error::missing);
}

Server::Answer Server::within_transaction(const Request& request, Transaction& transaction) {
    auto rest = request.payload;
    if (const auto text = take_string(rest))
        if (const auto path = Path::parse(*text, request.from.domain))
            touch(transaction, path->home());
    auto body = run({request.from.domain, &transaction.layer}, request.type, request.payload);
    if (request.type == XS_READ || request.type == XS_DIRECTORY || request.type == XS_GET_PERMS)
        return body;
    if (body)
        if (const auto done = record(request.from, transaction, request); !done)
            body = fail(done.error());
    body ? store_.tree().commit() : store_.tree().roll_back();
    return body;
}

Result<> Server::record(Connection& connection, Transaction& transaction, const Request& request) {
    if (transaction.writes == Transaction::max_writes)
        return fail(Error::no_space);
    replayed_[0] = static_cast<char>(request.type);
    request.payload.copy(replayed_.data() + 1, request.payload.size());
    const auto text = store_.tree().keep(connection.domain, {replayed_.data(), request.payload.size() + 1});
    if (!text)
        return fail(text.error());
    transaction.log[transaction.writes++] = *text;
    return {};
}

bool Server::replay(Connection& connection, const Transaction& transaction) {
    bool all = true;
    for (std::size_t i = 0; i < transaction.writes; ++i) {
        const auto logged = read_logged(store_.tree().blocks().copy(transaction.log[i], replayed_));
        all = run(connection.domain, logged.type, logged.payload).has_value() && all;
    }
    return all;
}

Server::Answer Server::commit(Connection& connection, Transaction& transaction) {
    if (has_conflict(transaction))
        return fail(Error::again);
    store_.tree().drop(transaction.layer); // its room is needed for what it showed
    if (!replay(connection, transaction)) {
        store_.tree().roll_back();
        return fail(Error::no_space); // nothing else can have changed
    }
    keep();
    for (std::size_t i = 0; i < transaction.writes; ++i) {
        const auto logged = read_logged(store_.tree().blocks().copy(transaction.log[i], replayed_));
        auto rest = logged.payload;
        if (const auto path = Path::parse(*take_string(rest), connection.domain))
            changed(*path);
    }
    return "OK\0"sv;
}

void Server::touch(Transaction& transaction, Home home) const {
    if (transaction.homes > Transaction::max_homes)
        return;
    for (std::size_t i = 0; i < transaction.homes; ++i)
        if (transaction.touched[i].home == home)
            return;
    if (transaction.homes < Transaction::max_homes)
        transaction.touched[transaction.homes] = {.home = home, .since = changes_};
    ++transaction.homes;
}

bool Server::has_conflict(const Transaction& transaction) const {
    if (transaction.homes > Transaction::max_homes)
        return changes_ > transaction.began;
    for (std::size_t i = 0; i < transaction.homes; ++i)
        if (last_change(transaction.touched[i].home) > transaction.touched[i].since)
            return true;
    return false;
}

void Server::abandon(Connection& connection, Transaction& transaction) {
    for (std::size_t i = 0; i < transaction.writes; ++i)
        store_.tree().drop(connection.domain, transaction.log[i]);
    store_.tree().drop(transaction.layer);
    transaction = {};
}

} // namespace bulkhead::xenstore
