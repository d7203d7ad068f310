// Turns a guest's bytes into plain text, one byte at a time: terminal escapes vanish, controls become
// harmless. Bounded by its input: it stores no text and looks at nothing twice.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

class TextFilter {
  public:
    enum class Effect : std::uint8_t {
        nothing,
        character, // append `shown`
        erase,     // backspace
        line_end,
        line_break, // ends the line unless it is empty: the cursor went elsewhere
    };
    struct Step {
        Effect effect = Effect::nothing;
        char shown = 0;
        bool restart = false; // first go back to the line's start: a lone carriage return
    };

    [[nodiscard]] Step feed(char byte);

  private:
    enum class State : std::uint8_t { text, escape, charset, csi, string };

    [[nodiscard]] Step text(unsigned char byte);
    [[nodiscard]] Step after_escape(unsigned char byte);
    [[nodiscard]] Step in_csi(unsigned char byte);

    State state_ = State::text;
    bool returned_ = false;      // a carriage return that no line feed has followed yet
    unsigned char previous_ = 0; // to tell UTF-8's control characters (C2 80 to C2 9F) from letters
};

} // namespace bulkhead::hv
