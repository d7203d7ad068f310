// The conversions of format.hpp. No floating point and no allocation.

#include "hv/base/format.hpp"

#include <cstdint>

namespace bulkhead::hv {

namespace {

class Output {
  public:
    Output(char* out, std::size_t size) : out_{out}, room_{size - 1} {}
    void put(char c) {
        if (used_ < room_)
            out_[used_++] = c;
    }
    void fill(char c, std::size_t count) {
        while (count-- > 0 && used_ < room_)
            put(c);
    }
    std::size_t finish() {
        out_[used_] = 0;
        return used_;
    }

  private:
    char* out_;
    std::size_t room_;
    std::size_t used_ = 0;
};

struct Conversion {
    std::size_t width = 0;
    std::size_t precision = SIZE_MAX;
    bool left = false, zeros = false;
    int longs = 0; // 0: int; otherwise 64 bits
    char kind = 0;
};

[[nodiscard]] std::size_t parse_number(const char*& at) {
    std::size_t value = 0;
    for (; *at >= '0' && *at <= '9'; ++at)
        if (value < 4096)
            value = value * 10 + static_cast<std::size_t>(*at - '0');
    return value;
}

[[nodiscard]] Conversion parse(const char*& at) {
    Conversion c;
    for (;; ++at) {
        if (*at == '-')
            c.left = true;
        else if (*at == '0')
            c.zeros = true;
        else
            break;
    }
    c.width = parse_number(at);
    if (*at == '.') {
        ++at;
        c.precision = parse_number(at);
    }
    for (; *at == 'l' || *at == 'z' || *at == 'h'; ++at)
        if (*at != 'h')
            ++c.longs;
    c.kind = *at;
    if (c.kind != 0)
        ++at;
    return c;
}

void put_padded(Output& out, const Conversion& c, const char* text, std::size_t length) {
    const std::size_t padding = c.width > length ? c.width - length : 0;
    if (!c.left)
        out.fill(' ', padding);
    for (std::size_t i = 0; i < length; ++i)
        out.put(text[i]);
    if (c.left)
        out.fill(' ', padding);
}

void put_number(Output& out, const Conversion& c, std::uint64_t magnitude, bool negative, unsigned base) {
    const char* const digits = c.kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    std::size_t at = sizeof text;
    do {
        text[--at] = digits[magnitude % base];
        magnitude /= base;
    } while (magnitude != 0);
    if (c.zeros && !c.left) {
        const std::size_t length = sizeof text - at + (negative ? 1 : 0);
        if (negative)
            out.put('-');
        out.fill('0', c.width > length ? c.width - length : 0);
        put_padded(out, Conversion{}, text + at, sizeof text - at);
        return;
    }
    if (negative)
        text[--at] = '-';
    put_padded(out, c, text + at, sizeof text - at);
}

void put_string(Output& out, const Conversion& c, const char* text) {
    if (text == nullptr)
        text = "(null)";
    std::size_t length = 0;
    while (length < c.precision && text[length] != 0)
        ++length;
    put_padded(out, c, text, length);
}

} // namespace

std::size_t format_arguments(char* buffer, std::size_t size, const char* format, std::va_list arguments) {
    Output out{buffer, size};
    while (*format != 0) {
        if (*format != '%') {
            out.put(*format++);
            continue;
        }
        ++format;
        const Conversion c = parse(format);
        switch (c.kind) {
        case 's':
            put_string(out, c, va_arg(arguments, const char*));
            break;
        case 'c': {
            const char single = static_cast<char>(va_arg(arguments, int));
            put_padded(out, c, &single, 1);
            break;
        }
        case 'd':
        case 'i': {
            const std::int64_t value = c.longs > 0 ? va_arg(arguments, std::int64_t) : va_arg(arguments, int);
            const auto bits = static_cast<std::uint64_t>(value);
            put_number(out, c, value < 0 ? 0 - bits : bits, value < 0, 10);
            break;
        }
        case 'u':
        case 'x':
        case 'X': {
            const std::uint64_t value =
                c.longs > 0 ? va_arg(arguments, std::uint64_t) : va_arg(arguments, unsigned);
            put_number(out, c, value, false, c.kind == 'u' ? 10 : 16);
            break;
        }
        case 'p':
            out.put('0');
            out.put('x');
            put_number(out, c, reinterpret_cast<std::uintptr_t>(va_arg(arguments, const void*)), false, 16);
            break;
        case 0:
            return out.finish();
        default:
            out.put('%');
            if (c.kind != '%')
                out.put(c.kind);
            break;
        }
    }
    return out.finish();
}

std::size_t format_text(char* out, std::size_t size, const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    const std::size_t stored = format_arguments(out, size, format, arguments);
    va_end(arguments);
    return stored;
}

} // namespace bulkhead::hv
