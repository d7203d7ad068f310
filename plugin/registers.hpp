// How a hook's arguments and answer travel in registers (System V x86-64), for the guards that call hooks
// from assembly. It covers what contracts pass: references, pointers, numbers, enums and small classes of
// such; never floating point.
#pragma once

#include "abi/types.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

namespace bulkhead::plugin {

// The two registers in which a function returns what fits them.
struct Returned {
    std::uint64_t rax, rdx;
};

// An argument as it is passed in a register: a reference by its address.
template<class Formal, class Actual>
[[gnu::always_inline]] inline std::uint64_t in_register(Actual& actual) {
    if constexpr (std::is_reference_v<Formal>) {
        return reinterpret_cast<std::uint64_t>(&actual);
    } else if constexpr (std::is_pointer_v<Formal>) {
        return reinterpret_cast<std::uint64_t>(static_cast<Formal>(actual));
    } else if constexpr (std::is_integral_v<Formal> || std::is_enum_v<Formal>) {
        return static_cast<std::uint64_t>(static_cast<Formal>(actual));
    } else {
        static_assert(std::is_trivially_copyable_v<Formal> && !std::is_floating_point_v<Formal> &&
                      sizeof(Formal) <= sizeof(std::uint64_t));
        const auto value = static_cast<Formal>(actual);
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof value);
        return bits;
    }
}

template<class Answer>
[[gnu::always_inline]] inline Answer from_registers(const Returned& returned) {
    static_assert(std::is_trivially_copyable_v<Answer> && !std::is_floating_point_v<Answer> &&
                  sizeof(Answer) <= sizeof(Returned));
    if constexpr (sizeof(Answer) == sizeof(Returned)) // never through memory: two stores read as one are slow
        return std::bit_cast<Answer>(returned);
    std::array<std::byte, sizeof(Answer)> bytes;
    std::memcpy(bytes.data(), &returned, sizeof bytes);
    return std::bit_cast<Answer>(bytes);
}

} // namespace bulkhead::plugin
