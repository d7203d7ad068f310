// Tables of an enum's names and values, for Python.
#pragma once

#include "abi/enum_name.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace bulkhead::python {

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
