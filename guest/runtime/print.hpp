// Text output with compile-time-typed arguments: `{}` prints a value, `{x}` a number in hex, `{{` a brace.
// Goes to the console ring if the builder gave one, else through console_io. Never blocks for long: when
// the ring is not read for a while, output is dropped.
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/result.hpp"

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

namespace bulkhead::guest {

// One argument of print, already reduced to what the formatter knows.
class Printable {
  public:
    enum class Kind { text, natural, integer };
    constexpr Printable(std::string_view text) : kind_{Kind::text}, text_{text} {}
    constexpr Printable(const char* text) : Printable{std::string_view{text}} {}
    constexpr Printable(char* text) : Printable{std::string_view{text}} {}
    constexpr Printable(bool value) : Printable{value ? "true" : "false"} {}
    template<std::unsigned_integral T>
    constexpr Printable(T value) : kind_{Kind::natural}, number_{value} {}
    template<std::signed_integral T>
    constexpr Printable(T value)
        : kind_{Kind::integer}, number_{static_cast<std::uint64_t>(static_cast<std::int64_t>(value))} {}
    template<class Tag, class Rep>
    constexpr Printable(Strong<Tag, Rep> value) : Printable{value.value()} {}
    constexpr Printable(Nanos value) : Printable{value.count()} {}
    template<class Clock>
    constexpr Printable(Instant<Clock> value) : Printable{value.since_start()} {}
    Printable(Error error) : Printable{name(error)} {}
    template<class T>
    explicit Printable(T* pointer) : Printable{reinterpret_cast<std::uintptr_t>(pointer)} {}

    [[nodiscard]] constexpr Kind kind() const { return kind_; }
    [[nodiscard]] constexpr std::string_view text() const { return text_; }
    [[nodiscard]] constexpr std::uint64_t number() const { return number_; }

  private:
    Kind kind_;
    std::string_view text_;
    std::uint64_t number_ = 0;
};

// Writes into `buffer`, cuts off what does not fit, returns the part written.
std::string_view format_to(std::span<char> buffer, std::string_view format,
                           std::span<const Printable> arguments);

template<class... T>
std::string_view format(std::span<char> buffer, std::string_view text, const T&... arguments) {
    const std::array<Printable, sizeof...(T)> list{Printable{arguments}...};
    return format_to(buffer, text, list);
}

void write_console(std::string_view text);
// Up to buffer.size() characters that have arrived; empty if none. Polls.
std::string_view read_console(std::span<char> buffer);

// One call prints at most 511 characters.
template<class... T>
void print(std::string_view text, const T&... arguments) {
    std::array<char, 512> buffer;
    write_console(format(std::span<char>{buffer}, text, arguments...));
}

// Prints the line and shuts the domain down with SHUTDOWN_crash.
[[noreturn]] void panic(std::string_view text);
template<class... T>
[[noreturn]] void panic(std::string_view text, const T&... arguments) {
    std::array<char, 512> buffer;
    panic(format(std::span<char>{buffer}, text, arguments...));
}

} // namespace bulkhead::guest
