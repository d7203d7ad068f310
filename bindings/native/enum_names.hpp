// Names of an enum's values, taken from the compiler, so that Python never has a second list of them. For
// enums whose values are below 256.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace bulkhead::python {

// "Exit::panicked" for a declared value, "(Exit)42" for any other: only the former starts with a letter.
template<auto value>
constexpr std::string_view spelled() {
    constexpr std::string_view function = __PRETTY_FUNCTION__;
    constexpr std::string_view key = "value = ";
    const auto start = function.find(key) + key.size();
    const auto stop = function.find_first_of(";]", start);
    return function.substr(start, stop - start);
}

template<auto value>
constexpr std::string_view enumerator() {
    const std::string_view name = spelled<value>();
    if (name.empty() || name.front() == '(')
        return {};
    const auto colon = name.rfind(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

using EnumTable = std::vector<std::pair<std::string, std::uint64_t>>;

// Every declared value of E in ascending order. A trailing underscore, which only avoids a C++ keyword, is
// dropped.
template<class E>
EnumTable enum_table() {
    EnumTable table;
    const auto add = [&]<std::uint64_t value>() {
        std::string_view name = enumerator<static_cast<E>(value)>();
        if (name.ends_with('_'))
            name.remove_suffix(1);
        if (!name.empty())
            table.emplace_back(name, value);
    };
    [&]<std::uint64_t... values>(std::integer_sequence<std::uint64_t, values...>) {
        (add.template operator()<values>(), ...);
    }(std::make_integer_sequence<std::uint64_t, 256>{});
    return table;
}

} // namespace bulkhead::python
