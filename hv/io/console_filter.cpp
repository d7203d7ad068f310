// The states of a terminal's escape sequences (ECMA-48), as far as skipping them needs.

#include "hv/io/console_filter.hpp"

namespace bulkhead::hv {

namespace {

constexpr unsigned char bell = 0x07, backspace = 0x08, escape = 0x1b, erase_character = 0x7f;

[[nodiscard]] constexpr bool ends_sequence(unsigned char byte) { return byte >= 0x40 && byte <= 0x7e; }

// ASCII controls, and the C1 controls in their UTF-8 form or alone.
[[nodiscard]] constexpr bool is_control(unsigned char byte, unsigned char previous) {
    if (byte < 0x20 || byte == erase_character)
        return true;
    return byte >= 0x80 && byte < 0xa0 && (previous < 0x80 || previous == 0xc2);
}

} // namespace

TextFilter::Step TextFilter::text(unsigned char byte) {
    const unsigned char before = previous_;
    previous_ = byte;
    switch (byte) {
    case '\n':
        returned_ = false;
        return {.effect = Effect::line_end};
    case '\r':
        returned_ = true;
        return {};
    case escape:
        state_ = State::escape;
        return {};
    case bell:
    case 0:
        return {};
    default:
        break;
    }
    Step step{.effect = Effect::character, .shown = static_cast<char>(byte), .restart = returned_};
    returned_ = false;
    if (byte == backspace)
        step.effect = Effect::erase;
    else if (byte != '\t' && is_control(byte, before))
        step.shown = '?';
    return step;
}

TextFilter::Step TextFilter::after_escape(unsigned char byte) {
    state_ = State::text;
    if (byte == '[')
        state_ = State::csi;
    else if (byte == ']' || byte == 'P' || byte == '^' || byte == '_' || byte == 'X')
        state_ = State::string;
    else if (byte >= 0x20 && byte <= 0x2f)
        state_ = State::charset; // an intermediate byte: one more follows
    return {};
}

TextFilter::Step TextFilter::in_csi(unsigned char byte) {
    if (!ends_sequence(byte))
        return {};
    state_ = State::text;
    const bool moves = byte == 'H' || byte == 'f' || byte == 'J' || byte == 'd';
    if (!moves)
        return {};
    returned_ = false;
    return {.effect = Effect::line_break};
}

TextFilter::Step TextFilter::feed(char signed_byte) {
    const auto byte = static_cast<unsigned char>(signed_byte);
    if (byte == '\n')
        state_ = State::text; // no sequence outlives its line
    switch (state_) {
    case State::text:
        return text(byte);
    case State::escape:
        return after_escape(byte);
    case State::charset:
        state_ = State::text;
        return {};
    case State::csi:
        return in_csi(byte);
    case State::string:
        if (byte == bell)
            state_ = State::text;
        else if (byte == escape)
            state_ = State::charset; // the string terminator's second byte
        return {};
    }
    return {};
}

} // namespace bulkhead::hv
