// Division and bit counts of 64-bit numbers, which the compiler calls by name in 32 bits: its own library has
// no 32-bit part on the systems that this builds on. Nothing here may divide such numbers itself.
#include <cstdint>

namespace {

struct Division {
    std::uint64_t quotient, remainder;
};

// One step of the processor's: 64 by 32 bits, with `high` below `by`.
std::uint32_t step(std::uint32_t high, std::uint32_t low, std::uint32_t by, std::uint32_t& rest) {
    std::uint32_t quotient = 0;
    asm("divl %[by]" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), [by] "rm"(by) : "cc");
    return quotient;
}

Division by_word(std::uint64_t value, std::uint32_t by) {
    std::uint32_t rest = 0;
    const std::uint32_t high = step(0, static_cast<std::uint32_t>(value >> 32), by, rest);
    const std::uint32_t low = step(rest, static_cast<std::uint32_t>(value), by, rest);
    return {std::uint64_t{high} << 32 | low, rest};
}

// `by` has more than 32 bits, so the quotient has fewer: both are scaled until one step tells it, which is
// then one too high at most.
Division by_long(std::uint64_t value, std::uint64_t by) {
    const auto shift = 32 - static_cast<unsigned>(__builtin_clz(static_cast<std::uint32_t>(by >> 32)));
    const auto scaled = static_cast<std::uint32_t>(by >> shift);
    std::uint32_t rest = 0;
    const std::uint64_t half = value >> 1; // so that the step cannot overflow
    std::uint64_t quotient =
        step(static_cast<std::uint32_t>(half >> 32), static_cast<std::uint32_t>(half), scaled, rest);
    quotient >>= shift - 1;
    if (quotient != 0)
        --quotient;
    std::uint64_t remainder = value - quotient * by;
    while (remainder >= by) {
        remainder -= by;
        ++quotient;
    }
    return {quotient, remainder};
}

Division divide(std::uint64_t value, std::uint64_t by) {
    return by >> 32 == 0 ? by_word(value, static_cast<std::uint32_t>(by)) : by_long(value, by);
}

std::uint64_t magnitude(std::int64_t value) {
    return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

std::int64_t with_sign(std::uint64_t value, bool negative) {
    return static_cast<std::int64_t>(negative ? 0 - value : value);
}

} // namespace

extern "C" {

int __ctzdi2(std::uint64_t value) {
    const auto low = static_cast<std::uint32_t>(value);
    return low != 0 ? __builtin_ctz(low) : 32 + __builtin_ctz(static_cast<std::uint32_t>(value >> 32));
}
int __clzdi2(std::uint64_t value) {
    const auto high = static_cast<std::uint32_t>(value >> 32);
    return high != 0 ? __builtin_clz(high) : 32 + __builtin_clz(static_cast<std::uint32_t>(value));
}

std::uint64_t __udivdi3(std::uint64_t value, std::uint64_t by) { return divide(value, by).quotient; }
std::uint64_t __umoddi3(std::uint64_t value, std::uint64_t by) { return divide(value, by).remainder; }
std::uint64_t __udivmoddi4(std::uint64_t value, std::uint64_t by, std::uint64_t* remainder) {
    const auto divided = divide(value, by);
    *remainder = divided.remainder;
    return divided.quotient;
}
std::int64_t __divdi3(std::int64_t value, std::int64_t by) {
    return with_sign(divide(magnitude(value), magnitude(by)).quotient, (value < 0) != (by < 0));
}
std::int64_t __moddi3(std::int64_t value, std::int64_t by) {
    return with_sign(divide(magnitude(value), magnitude(by)).remainder, value < 0);
}
std::int64_t __divmoddi4(std::int64_t value, std::int64_t by, std::int64_t* remainder) {
    *remainder = __moddi3(value, by);
    return __divdi3(value, by);
}
}
