// Judges of the texts in a policy's file. Freestanding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace bulkhead::plugin {

// A letter, then letters, digits and '_': what command lines and Python take for a name.
[[nodiscard]] constexpr bool is_name(std::string_view text) {
    const auto is_letter = [](char byte) {
        return ('a' <= byte && byte <= 'z') || ('A' <= byte && byte <= 'Z');
    };
    return !text.empty() && is_letter(text[0]) && std::ranges::all_of(text, [&](char byte) {
        return is_letter(byte) || ('0' <= byte && byte <= '9') || byte == '_';
    });
}

// How many bytes the well-formed UTF-8 character at the beginning of `text` has (Unicode 15, table 3-7); 0
// for none, and for a control character.
[[nodiscard]] constexpr std::size_t printable_character(std::string_view text) {
    const auto byte = [text](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto continues = [byte](std::size_t i) { return (byte(i) & 0xc0U) == 0x80; };
    const unsigned first = byte(0), second = byte(1);
    if (first < 0x80)
        return first >= ' ' && first != 0x7f ? 1 : 0;
    if (first >= 0xc2 && first <= 0xdf)
        return continues(1) && (first != 0xc2 || second >= 0xa0) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef)
        return continues(1) && continues(2) && (first != 0xe0 || second >= 0xa0) &&
                       (first != 0xed || second <= 0x9f)
                   ? 3
                   : 0;
    if (first >= 0xf0 && first <= 0xf4)
        return continues(1) && continues(2) && continues(3) && (first != 0xf0 || second >= 0x90) &&
                       (first != 0xf4 || second <= 0x8f)
                   ? 4
                   : 0;
    return 0;
}

[[nodiscard]] constexpr bool is_printable(std::string_view text) {
    while (!text.empty()) {
        const auto bytes = printable_character(text);
        if (bytes == 0)
            return false;
        text.remove_prefix(bytes);
    }
    return true;
}

} // namespace bulkhead::plugin
