// Splitting the command line at blanks.
#include "guest/runtime/options.hpp"

#include "guest/runtime/print.hpp"

namespace bulkhead::guest {
namespace {

// Takes the next word off `line`; empty at its end.
std::string_view next_word(std::string_view& line) {
    while (!line.empty() && line.front() == ' ')
        line.remove_prefix(1);
    const std::size_t length = line.find(' ') == std::string_view::npos ? line.size() : line.find(' ');
    const std::string_view word = line.substr(0, length);
    line.remove_prefix(length);
    return word;
}

std::string_view key_of(std::string_view word) { return word.substr(0, word.find('=')); }

int digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return 99;
}

} // namespace

std::optional<std::string_view> Options::text(std::string_view key) const {
    std::optional<std::string_view> found;
    std::string_view rest = line_;
    for (auto word = next_word(rest); !word.empty(); word = next_word(rest))
        if (key_of(word) == key)
            found = word.size() > key.size() ? word.substr(key.size() + 1) : std::string_view{};
    return found;
}

std::uint64_t Options::number(std::string_view key, std::uint64_t initial) const {
    const auto word = text(key);
    if (!word)
        return initial;
    const auto value = parse_number(*word);
    if (!value)
        panic("option {}={}: not a number", key, *word);
    return *value;
}

std::optional<std::string_view> Options::key(std::size_t index) const {
    std::string_view rest = line_;
    for (auto word = next_word(rest); !word.empty(); word = next_word(rest))
        if (index-- == 0)
            return key_of(word);
    return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    const unsigned base = text.starts_with("0x") ? 16 : 10;
    if (base == 16)
        text.remove_prefix(2);
    if (text.empty())
        return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        const auto d = static_cast<unsigned>(digit(c));
        if (d >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, d, &value))
            return std::nullopt;
    }
    return value;
}

} // namespace bulkhead::guest
