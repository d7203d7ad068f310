// The one place that writes to the machine's console, and the hypervisor's own lines.

#include "hv/io/output.hpp"

#include "abi/manifest.hpp"
#include "hv/base/format.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/console.hpp"

#include <atomic>

namespace bulkhead::hv {

namespace {

// Bytes that were said and not sent yet, oldest first.
class Queue {
  public:
    static constexpr std::size_t capacity = 8192;
    [[nodiscard]] std::size_t room() const { return capacity - used_; }
    [[nodiscard]] bool empty() const { return used_ == 0; }
    void push(char byte) {
        if (used_ == capacity)
            send(1);
        bytes_[(first_ + used_++) % capacity] = byte;
    }
    void push_text(const char* text) {
        for (; *text != 0; ++text)
            push(*text);
    }
    void send(std::size_t most) {
        for (; most > 0 && used_ > 0; --most, --used_) {
            machine::put_console(bytes_[first_]);
            first_ = (first_ + 1) % capacity;
        }
    }

  private:
    char bytes_[capacity]{};
    std::size_t first_ = 0;
    std::size_t used_ = 0;
};

constinit Queue queue{};
constinit std::atomic_flag queue_busy;

// Held for one line or one piece. Gives up waiting after a while: a mixed line is better than a panic that
// cannot be read because the pCPU that speaks is the one that died.
class Turn {
  public:
    Turn() {
        for (int spins = 0; spins < 1'000'000; ++spins) {
            if (!queue_busy.test_and_set(std::memory_order_acquire)) {
                mine_ = true;
                return;
            }
            __builtin_ia32_pause();
        }
    }
    ~Turn() {
        if (mine_)
            queue_busy.clear(std::memory_order_release);
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

  private:
    bool mine_ = false;
};

constexpr std::size_t piece_bytes = 16; // sent between two questions about the time

// Every byte may end a line, and each line brings a prefix; then a line that was begun earlier, and a notice
// of drops.
constexpr std::size_t most_prefix = manifest::name_bytes + 2;
constexpr std::size_t most_room =
    console_piece * (most_prefix + 2) + Console::line_bytes + 2 * most_prefix + 80;
static_assert(most_room <= Queue::capacity / 2);

} // namespace

void put_line(const char* prefix, const char* separator, const char* text, std::size_t length) {
    const Turn turn;
    queue.push_text(prefix);
    queue.push_text(separator);
    for (std::size_t i = 0; i < length; ++i)
        queue.push(text[i]);
    queue.push('\n');
}

bool output_has_room() {
    const Turn turn;
    return queue.room() >= most_room;
}

bool pump_output() {
    for (;;) {
        {
            const Turn turn;
            queue.send(piece_bytes);
            if (queue.empty())
                return true;
        }
        if (machine::should_preempt())
            return false;
    }
}

void flush_output() {
    const Turn turn;
    queue.send(Queue::capacity);
}

void log(const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    log_arguments(format, arguments);
    va_end(arguments);
}

void log_arguments(const char* format, std::va_list arguments) {
    char text[256];
    std::size_t length = format_arguments(text, sizeof text, format, arguments);
    if (length > 0 && text[length - 1] == '\n')
        --length; // callers may end the line or not
    put_line("(bulkhead)", " ", text, length);
}

} // namespace bulkhead::hv
