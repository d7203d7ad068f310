// The name of an enum's value as its declaration spells it, taken from the compiler, so that no second list
// of names exists. For enums whose values are below 256.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace bulkhead {

// "Exit::panicked" for a declared value, "(Exit)42" for any other: only the former starts with a letter.
template<auto value>
constexpr std::string_view spelled() {
    constexpr std::string_view function = __PRETTY_FUNCTION__;
    constexpr std::string_view key = "value = ";
    const auto start = function.find(key) + key.size();
    const auto stop = function.find_first_of(";]", start);
    return function.substr(start, stop - start);
}

// Empty if no such value is declared.
template<auto value>
constexpr std::string_view enumerator() {
    const std::string_view name = spelled<value>();
    if (name.empty() || name.front() == '(')
        return {};
    const auto colon = name.rfind(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

// The same with a zero behind it, in memory of its own.
template<auto value>
inline constexpr auto enumerator_text = [] {
    std::array<char, enumerator<value>().size() + 1> text{};
    for (std::size_t i = 0; i + 1 < text.size(); ++i)
        text[i] = enumerator<value>()[i];
    return text;
}();

// At run time, for the values 0 to `count` - 1; "unknown" for others.
template<class E, std::size_t count = 16>
constexpr const char* enum_name(E value) {
    constexpr auto names = []<std::size_t... index>(std::index_sequence<index...>) {
        return std::array<const char*, count>{enumerator_text<static_cast<E>(index)>.data()...};
    }(std::make_index_sequence<count>{});
    const auto index = static_cast<std::size_t>(value);
    return index < count && names[index][0] != '\0' ? names[index] : "unknown";
}

} // namespace bulkhead
