// How a workload is declared: one constexpr table row with its options, registered by one macro line. The
// command line, the listing and the Python package all read that row (format of the ELF section: README.md).
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/clock.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace bulkhead::workload {

enum class Kind { common, victim, attack };

// No field may be empty: an empty text ends a record. `initial` "-" means that the option must be given.
struct Option {
    std::string_view name;
    std::string_view unit; // "ns", "us", "ms", "1" for a plain number, "text"
    std::string_view initial;
    std::string_view help;

    [[nodiscard]] std::uint64_t number() const; // as given on the command line, else initial
    [[nodiscard]] std::string_view text() const;
    [[nodiscard]] Nanos nanoseconds() const { return Nanos{static_cast<std::int64_t>(number())}; }
    [[nodiscard]] Nanos microseconds() const {
        return bulkhead::microseconds(static_cast<std::int64_t>(number()));
    }
    [[nodiscard]] Nanos milliseconds() const {
        return bulkhead::milliseconds(static_cast<std::int64_t>(number()));
    }
};

struct Workload {
    Kind kind;
    std::string_view name;
    std::string_view help;
    std::span<const Option> options;
    void (*run)();
};

// When the running workload should stop; set by the common options before `run`.
[[nodiscard]] bool over(); // reads the clock only if there is an end
[[nodiscard]] GuestTime began();
[[nodiscard]] GuestTime ends(); // never if for_ms=0

// The listing's text of one workload: kind, name, help, then name, unit, initial, help of each option, each
// with a zero byte, and one zero byte more.
consteval std::string_view kind_name(Kind kind) {
    constexpr std::array<std::string_view, 3> names{"common", "victim", "attack"};
    return names[static_cast<std::size_t>(kind)];
}
consteval std::size_t encoded_size(const Workload& workload) {
    std::size_t bytes = kind_name(workload.kind).size() + workload.name.size() + workload.help.size() + 4;
    for (const Option& option : workload.options)
        bytes += option.name.size() + option.unit.size() + option.initial.size() + option.help.size() + 4;
    return bytes;
}
void a_field_of_the_declaration_is_empty(); // not constexpr: calling it stops the compilation

template<const Workload& workload>
consteval auto encode() {
    std::array<char, encoded_size(workload)> text{};
    std::size_t at = 0;
    const auto put = [&](std::string_view field) {
        if (field.empty())
            a_field_of_the_declaration_is_empty();
        for (const char c : field)
            text[at++] = c;
        ++at;
    };
    put(kind_name(workload.kind));
    put(workload.name);
    put(workload.help);
    for (const Option& option : workload.options) {
        put(option.name);
        put(option.unit);
        put(option.initial);
        put(option.help);
    }
    return text;
}

} // namespace bulkhead::workload

// Registers the constexpr Workload `object` of the enclosing namespace.
#define BULKHEAD_WORKLOAD(object)                                                                            \
    [[gnu::section(".bulkhead.workloads"), gnu::used]] constexpr auto object##_text =                        \
        bulkhead::workload::encode<object>();                                                                \
    [[gnu::section(".entries"), gnu::used]] constexpr const bulkhead::workload::Workload* object##_entry =   \
        &object;
