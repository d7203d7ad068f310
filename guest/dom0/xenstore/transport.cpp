// See transport.hpp.
#include "guest/dom0/xenstore/transport.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace bulkhead::xenstore {
namespace {

std::uint32_t load(std::uint32_t& index) { return std::atomic_ref{index}.load(std::memory_order_acquire); }
void store(std::uint32_t& index, std::uint32_t value) {
    std::atomic_ref{index}.store(value, std::memory_order_release);
}

void give_up(Connection& connection, xenstore_domain_interface& ring, std::uint32_t error) {
    connection.broken = true;
    store(ring.error, error);
}

// True if bytes went into the ring.
bool send(Connection& connection, xenstore_domain_interface& ring) {
    const auto waiting = connection.replies_written - load(ring.rsp_cons);
    if (waiting > XENSTORE_RING_SIZE) {
        give_up(connection, ring, XENSTORE_ERROR_RINGIDX);
        return false;
    }
    std::size_t room = XENSTORE_RING_SIZE - waiting;
    const auto before = connection.replies_written;
    while (room != 0 && !connection.output.empty()) {
        const auto at = MASK_XENSTORE_IDX(connection.replies_written);
        const auto straight = std::min<std::size_t>(room, XENSTORE_RING_SIZE - at);
        const auto sent = connection.output.take({ring.rsp + at, straight});
        connection.replies_written += static_cast<std::uint32_t>(sent);
        room -= sent;
    }
    if (connection.replies_written == before)
        return false;
    store(ring.rsp_prod, connection.replies_written);
    return true;
}

// How many bytes complete the message at hand: its header first, then its payload.
std::size_t wanted(const Connection& connection) {
    if (connection.input_used < sizeof(xsd_sockmsg))
        return sizeof(xsd_sockmsg) - connection.input_used;
    xsd_sockmsg header;
    std::memcpy(&header, connection.input.data(), sizeof header);
    return header.len > max_payload ? ~std::size_t{0} : sizeof header + header.len - connection.input_used;
}

// True if bytes came out of the ring.
bool receive(Connection& connection, xenstore_domain_interface& ring, std::size_t want) {
    const auto there = load(ring.req_prod) - connection.requests_read;
    if (there > XENSTORE_RING_SIZE) {
        give_up(connection, ring, XENSTORE_ERROR_RINGIDX);
        return false;
    }
    const auto count = std::min<std::size_t>(want, there);
    for (std::size_t i = 0; i < count; ++i)
        connection.input[connection.input_used++] = ring.req[MASK_XENSTORE_IDX(connection.requests_read++)];
    if (count != 0)
        store(ring.req_cons, connection.requests_read);
    return count != 0;
}

void answer(Server& server, Connection& connection) {
    xsd_sockmsg header;
    std::memcpy(&header, connection.input.data(), sizeof header);
    server.handle(connection, header, {connection.input.data() + sizeof header, header.len});
    connection.input_used = 0;
}

} // namespace

void open_ring(xenstore_domain_interface& ring) {
    store(ring.server_features, XENSTORE_SERVER_FEATURE_ERROR);
}

Progress serve(Server& server, Connection& connection, xenstore_domain_interface& ring) {
    Progress progress;
    unsigned answered = 0;
    auto& meter = server.tree().meter();
    const auto enough = meter.steps() + steps_per_turn;
    connection.told = false;
    while (!connection.broken) {
        server.send_due_events(connection);
        progress.notify = send(connection, ring) || progress.notify;
        if (connection.broken || connection.output.room() < max_message)
            break;
        const auto want = wanted(connection);
        if (want > max_message) {
            give_up(connection, ring, XENSTORE_ERROR_PROTO);
            break;
        }
        if (want == 0) {
            if (answered++ == requests_per_turn || meter.steps() >= enough) {
                progress.more = true;
                break;
            }
            answer(server, connection);
            continue;
        }
        meter.add(want / 16);
        if (!receive(connection, ring, want))
            break;
        progress.notify = true;
    }
    return progress;
}

} // namespace bulkhead::xenstore
