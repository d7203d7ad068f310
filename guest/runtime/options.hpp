// The command line as a list of `key=value` words. Words without `=` are keys with an empty value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace bulkhead::guest {

class Options {
  public:
    constexpr explicit Options(std::string_view line) : line_{line} {}
    // The value of the last word `key=...`.
    [[nodiscard]] std::optional<std::string_view> text(std::string_view key) const;
    // The same as a decimal or 0x number; `initial` if absent. Nonsense is printed and panics.
    [[nodiscard]] std::uint64_t number(std::string_view key, std::uint64_t initial) const;
    // Iterates over keys: the word at `index`, or nothing beyond the last.
    [[nodiscard]] std::optional<std::string_view> key(std::size_t index) const;

  private:
    std::string_view line_;
};

[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);
[[nodiscard]] const Options& options(); // this guest's own

} // namespace bulkhead::guest
