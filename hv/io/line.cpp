// The one place that writes to the machine's console, and the hypervisor's own lines.

#include "hv/io/line.hpp"

#include "hv/arch/machine.hpp"
#include "hv/io/console.hpp"
#include "hv/io/format.hpp"

#include <atomic>

namespace bulkhead::hv {

namespace {

constinit std::atomic_flag output_busy;

// Held for one line. Gives up waiting after a while: a mixed line is better than a panic that nobody can read
// because the pCPU that speaks is the one that died.
class OutputTurn {
  public:
    OutputTurn() {
        for (int spins = 0; spins < 1'000'000; ++spins) {
            if (!output_busy.test_and_set(std::memory_order_acquire)) {
                mine_ = true;
                return;
            }
            __builtin_ia32_pause();
        }
    }
    ~OutputTurn() {
        if (mine_)
            output_busy.clear(std::memory_order_release);
    }
    OutputTurn(const OutputTurn&) = delete;
    OutputTurn& operator=(const OutputTurn&) = delete;

  private:
    bool mine_ = false;
};

void put_text(const char* text) {
    for (; *text != 0; ++text)
        machine::put_console(*text);
}

} // namespace

void put_line(const char* prefix, const char* separator, const char* text, std::size_t length) {
    const OutputTurn turn;
    put_text(prefix);
    put_text(separator);
    for (std::size_t i = 0; i < length; ++i)
        machine::put_console(text[i]);
    machine::put_console('\n');
}

void log(const char* format, ...) {
    char text[256];
    std::va_list arguments;
    va_start(arguments, format);
    std::size_t length = format_arguments(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0 && text[length - 1] == '\n')
        --length; // callers may end the line or not
    put_line("(bulkhead)", " ", text, length);
}

} // namespace bulkhead::hv
