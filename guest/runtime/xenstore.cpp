// The xenstore wire protocol over the ring page: one request at a time, its reply awaited; of watch events
// only that one came is kept.
#include "guest/runtime/xenstore.hpp"

#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/internal.hpp"
#include "guest/runtime/options.hpp"
#include "guest/runtime/print.hpp"

#include <array>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <xen/io/xs_wire.h>

namespace bulkhead::guest::xenstore {
namespace {

constinit std::array<char, XENSTORE_PAYLOAD_MAX + 1> reply{};
constinit std::uint32_t next_request = 1;
constinit bool watch_fired = false;

volatile xenstore_domain_interface& ring() {
    return *static_cast<volatile xenstore_domain_interface*>(internal::state.xenstore_ring);
}
Port port() { return Port{start().store_evtchn}; }

void pause() {
    static_cast<void>(events::notify(port()));
    static_cast<void>(
        events::wait(port(), now() + milliseconds(10))); // again at times, should a notice get lost
}

void send(std::string_view bytes) {
    for (const char c : bytes) {
        while (ring().req_prod - ring().req_cons >= XENSTORE_RING_SIZE)
            pause();
        ring().req[MASK_XENSTORE_IDX(ring().req_prod)] = c;
        asm volatile("" ::: "memory");
        ring().req_prod = ring().req_prod + 1;
    }
}

void receive(char* to, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
        while (ring().rsp_cons == ring().rsp_prod)
            pause();
        to[i] = ring().rsp[MASK_XENSTORE_IDX(ring().rsp_cons)];
        asm volatile("" ::: "memory");
        ring().rsp_cons = ring().rsp_cons + 1;
    }
}

template<class T>
std::string_view bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

struct ErrorName {
    std::string_view name;
    Error error;
};
constexpr ErrorName error_names[] = {
    {"EINVAL", Error::invalid},  {"EACCES", Error::access},       {"EEXIST", Error::exists},
    {"ENOENT", Error::no_entry}, {"ENOMEM", Error::no_memory},    {"ENOSPC", Error::no_space},
    {"EIO", Error::io},          {"ENOSYS", Error::no_such_call}, {"EBUSY", Error::busy},
    {"EAGAIN", Error::again},    {"E2BIG", Error::too_big},       {"EPERM", Error::not_permitted},
};

Error error_named(std::string_view name) {
    for (const ErrorName& row : error_names)
        if (row.name == name)
            return row.error;
    return Error::io;
}

std::string_view without_zero(std::string_view text) {
    while (!text.empty() && text.back() == 0)
        text.remove_suffix(1);
    return text;
}

// The next message: its payload is in `reply`.
xsd_sockmsg receive_message() {
    xsd_sockmsg header{};
    receive(reinterpret_cast<char*>(&header), sizeof(header));
    if (header.len > XENSTORE_PAYLOAD_MAX)
        panic("xenstore: answer of {} bytes", header.len);
    receive(reply.data(), header.len);
    static_cast<void>(events::notify(port()));
    watch_fired |= header.type == XS_WATCH_EVENT;
    return header;
}

// The payload of the answer to request `id`, in `reply`.
Result<std::string_view> receive_answer(std::uint32_t id, std::uint32_t type) {
    for (;;) {
        const xsd_sockmsg header = receive_message();
        const std::string_view payload{reply.data(), header.len};
        if (header.req_id != id || header.type == XS_WATCH_EVENT)
            continue;
        if (header.type == XS_ERROR)
            return std::unexpected{error_named(without_zero(payload))};
        if (header.type != type)
            return std::unexpected{Error::bad_message};
        return payload;
    }
}

// The number of the request.
Result<std::uint32_t> post(std::uint32_t type, Transaction in,
                           std::initializer_list<std::string_view> parts) {
    if (!has_xenstore())
        return std::unexpected{Error::no_device};
    static constinit bool listening = false;
    if (!listening)
        events::listen(port());
    listening = true;
    xsd_sockmsg header{
        .type = type, .req_id = next_request++, .tx_id = static_cast<std::uint32_t>(in), .len = 0};
    for (const std::string_view part : parts)
        header.len += static_cast<std::uint32_t>(part.size());
    if (header.len > XENSTORE_PAYLOAD_MAX)
        return std::unexpected{Error::too_big};
    send(bytes_of(header));
    for (const std::string_view part : parts)
        send(part);
    return header.req_id;
}

Result<std::string_view> transact(std::uint32_t type, std::initializer_list<std::string_view> parts,
                                  Transaction in = Transaction::none) {
    const auto id = post(type, in, parts);
    if (!id)
        return std::unexpected{id.error()};
    static_cast<void>(events::notify(port()));
    return receive_answer(*id, type);
}

constexpr std::string_view zero{"\0", 1};

Status without_answer(const Result<std::string_view>& answer) {
    if (!answer)
        return std::unexpected{answer.error()};
    return {};
}

} // namespace

Result<Transaction> begin() {
    const auto text = transact(XS_TRANSACTION_START, {zero});
    if (!text)
        return std::unexpected{text.error()};
    const auto number = parse_number(without_zero(*text));
    if (!number)
        return std::unexpected{Error::bad_message};
    return static_cast<Transaction>(*number);
}

Status end(Transaction transaction, bool keep) {
    return without_answer(transact(XS_TRANSACTION_END, {keep ? "T" : "F", zero}, transaction));
}

Result<std::string_view> read(std::string_view path, Transaction in) {
    return transact(XS_READ, {path, zero}, in);
}

void read_many(std::string_view path, std::uint32_t count, Transaction in) {
    std::uint32_t last = 0;
    for (std::uint32_t i = 0; i < count; ++i)
        last = post(XS_READ, in, {path, zero}).value_or(last);
    static_cast<void>(events::notify(port()));
    if (last != 0)
        static_cast<void>(receive_answer(last, XS_READ)); // the others' come before it
}

Result<std::uint64_t> read_number(std::string_view path) {
    const auto text = read(path);
    if (!text)
        return std::unexpected{text.error()};
    const auto number = parse_number(*text);
    if (!number)
        return std::unexpected{Error::bad_message};
    return *number;
}

Status write(std::string_view path, std::string_view value, Transaction in) {
    return without_answer(transact(XS_WRITE, {path, zero, value}, in));
}

Status write_number(std::string_view path, std::uint64_t value) {
    std::array<char, 24> text{};
    return write(path, format(std::span<char>{text}, "{}", value));
}

Status make_directory(std::string_view path) { return without_answer(transact(XS_MKDIR, {path, zero})); }

Status remove(std::string_view path) { return without_answer(transact(XS_RM, {path, zero})); }

Result<std::string_view> directory(std::string_view path) { return transact(XS_DIRECTORY, {path, zero}); }

std::string_view next_name(std::string_view& names) {
    const std::string_view first = names.substr(0, names.find('\0'));
    names.remove_prefix(first.size() < names.size() ? first.size() + 1 : names.size());
    return first;
}

Status watch(std::string_view path) { return without_answer(transact(XS_WATCH, {path, zero, path, zero})); }

bool changed() {
    while (has_xenstore() && ring().rsp_cons != ring().rsp_prod)
        static_cast<void>(receive_message());
    return std::exchange(watch_fired, false);
}

Result<DomainId> own_id() {
    const auto number = read_number("domid");
    if (!number)
        return std::unexpected{number.error()};
    return DomainId{static_cast<std::uint16_t>(*number)};
}

Result<DomainId> find_domain(std::string_view name_or_id) {
    if (const auto id = parse_number(name_or_id))
        return DomainId{static_cast<std::uint16_t>(*id)};
    const auto listing = directory("/local/domain");
    if (!listing)
        return std::unexpected{listing.error()};
    std::array<char, 512> copy{}; // the next call overwrites the answer
    const std::size_t length = listing->size() < copy.size() ? listing->size() : copy.size();
    __builtin_memcpy(copy.data(), listing->data(), length);
    std::string_view names{copy.data(), length};
    while (!names.empty()) {
        const std::string_view id = next_name(names);
        std::array<char, 64> path{};
        const auto name = read(format(std::span<char>{path}, "/local/domain/{}/name", id));
        if (name && *name == name_or_id)
            if (const auto number = parse_number(id))
                return DomainId{static_cast<std::uint16_t>(*number)};
    }
    return std::unexpected{Error::no_entry};
}

Result<std::uint64_t> await_number(std::string_view path, GuestTime deadline) {
    for (;;) {
        const auto number = read_number(path);
        if (number || number.error() != Error::no_entry)
            return number;
        if (now() >= deadline)
            return std::unexpected{Error::timed_out};
        sleep(milliseconds(1));
    }
}

} // namespace bulkhead::guest::xenstore
