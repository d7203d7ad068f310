// Client of the xenstore ring: each call sends one request and waits for its reply (blocked on the event
// channel). Relative paths start at /local/domain/<own id>. Answers live in a static buffer until the next
// call.
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/result.hpp"

#include <cstdint>
#include <string_view>

namespace bulkhead::guest::xenstore {

// Which of the guest's transactions a request is in; `none` for a request of its own.
enum class Transaction : std::uint32_t { none = 0 };
[[nodiscard]] Result<Transaction> begin();
// Error::again if another changed meanwhile what the transaction saw.
Status end(Transaction transaction, bool keep);

[[nodiscard]] Result<std::string_view> read(std::string_view path, Transaction in = Transaction::none);
// Sends `count` reads at once, and then takes their answers, good or bad.
void read_many(std::string_view path, std::uint32_t count, Transaction in);
[[nodiscard]] Result<std::uint64_t> read_number(std::string_view path);
Status write(std::string_view path, std::string_view value, Transaction in = Transaction::none);
Status write_number(std::string_view path, std::uint64_t value);
Status make_directory(std::string_view path);
Status remove(std::string_view path);
// Names separated by zero bytes, as on the wire; `next_name` takes them off one by one.
[[nodiscard]] Result<std::string_view> directory(std::string_view path);
[[nodiscard]] std::string_view next_name(std::string_view& names);

// From now on `changed` notices when the path changes; at once for the first time.
Status watch(std::string_view path);
// Whether something that is watched has changed since the last call. Does not wait; an event of the ring's
// port (events::wait_any) says that it is worth asking.
[[nodiscard]] bool changed();

[[nodiscard]] Result<DomainId> own_id();
// "12" is domain 12, anything else is looked up at /local/domain/*/name.
[[nodiscard]] Result<DomainId> find_domain(std::string_view name_or_id);
// Reads `path` every millisecond until it exists and is a number, or the deadline has passed.
[[nodiscard]] Result<std::uint64_t> await_number(std::string_view path,
                                                 GuestTime deadline = GuestTime::never());

} // namespace bulkhead::guest::xenstore
