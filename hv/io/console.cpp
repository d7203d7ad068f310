// Lines of guests: assembled from filtered bytes, paid for out of the guest's budget, then put on the serial
// line or dropped and counted.

#include "hv/io/console.hpp"

#include "hv/base/format.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/output.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t least_burst = 1024;
constexpr Nanos patience = milliseconds(50); // for the rest of a line
constexpr const char* separator = "| ";
constexpr const char* terminal_separator = "~ ";

constinit std::atomic<std::uint32_t> rate{0};

[[nodiscard]] std::int64_t burst() {
    return std::max<std::int64_t>(rate.load(std::memory_order_relaxed), least_burst);
}

void refill(ConsoleBudget& budget, RealTime now) {
    const std::int64_t per_second = rate.load(std::memory_order_relaxed);
    if (!budget.started) {
        budget = {.tokens = burst(), .refilled = now, .dropped = 0, .started = true};
        return;
    }
    const std::int64_t elapsed = std::min((now - budget.refilled).count(), second);
    if (per_second == 0 || elapsed <= 0)
        return;
    const std::int64_t earned = elapsed * per_second / second;
    if (earned == 0)
        return; // keep the fraction: it grows until it is a byte
    budget.tokens = std::min(budget.tokens + earned, burst());
    budget.refilled = now;
}

// After a drop, speech resumes only with a good part of the budget back, so that losses come in a few marked
// gaps and not in every line.
[[nodiscard]] bool may_print(const ConsoleBudget& budget, std::int64_t cost) {
    if (rate.load(std::memory_order_relaxed) == 0)
        return true;
    return budget.tokens >= (budget.dropped == 0 ? cost : std::max(cost, burst() / 4));
}

void tell_dropped(Domain& domain) {
    ConsoleBudget& budget = domain.console->budget;
    if (budget.dropped == 0)
        return;
    char text[80];
    const std::size_t length =
        format_text(text, sizeof text, "[%lu bytes dropped: over the console rate]", budget.dropped);
    put_line(domain.name, separator, text, length);
    budget.tokens -= static_cast<std::int64_t>(length);
    budget.dropped = 0;
}

void end_line(Domain& domain) {
    Console& console = *domain.console;
    std::int64_t cost = static_cast<std::int64_t>(console.used) + 3; // separator and line end
    for (const char* name = domain.name; *name != 0; ++name)
        ++cost;
    if (may_print(console.budget, cost)) {
        tell_dropped(domain);
        put_line(domain.name, console.terminal ? terminal_separator : separator, console.line, console.used);
        console.budget.tokens -= cost;
    } else {
        console.budget.dropped += console.used + 1;
    }
    console.used = 0;
}

void show(Domain& domain, char byte) {
    Console& console = *domain.console;
    const TextFilter::Step step = console.filter.feed(byte);
    if (step.restart)
        console.used = 0;
    switch (step.effect) {
    case TextFilter::Effect::nothing:
        break;
    case TextFilter::Effect::character:
        if (console.used == Console::line_bytes)
            end_line(domain);
        console.line[console.used++] = step.shown;
        break;
    case TextFilter::Effect::erase:
        if (console.used > 0)
            --console.used;
        break;
    case TextFilter::Effect::line_break:
        if (console.used == 0)
            break;
        [[fallthrough]];
    case TextFilter::Effect::line_end:
        end_line(domain);
        break;
    }
}

void append_escaped(Console& console, char byte) {
    static constexpr char digits[] = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    if (value >= 0x20 && value < 0x7f && byte != '\\') {
        console.line[console.used++] = byte;
        return;
    }
    console.line[console.used++] = '\\';
    console.line[console.used++] = digits[value >> 4];
    console.line[console.used++] = digits[value & 15];
}
static_assert(3 * console_piece <= Console::line_bytes);

void show_escaped(Domain& domain, const char* bytes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        append_escaped(*domain.console, bytes[i]);
    if (count > 0)
        end_line(domain);
}

} // namespace

void console_set_rate(std::uint32_t bytes_per_second) {
    rate.store(bytes_per_second, std::memory_order_relaxed);
}

void console_write(Domain& domain, const char* bytes, std::size_t count) {
    Console& console = *domain.console;
    const LockGuard guard{console.lock};
    const RealTime now = machine::now();
    refill(console.budget, now);
    console.printed += count;
    if (console.terminal)
        return show_escaped(domain, bytes, count);
    for (std::size_t i = 0; i < count; ++i)
        show(domain, bytes[i]);
    console.partial_since = now;
}

bool console_flush(Domain& domain, bool all) {
    Console& console = *domain.console;
    const LockGuard guard{console.lock};
    const RealTime now = machine::now();
    refill(console.budget, now);
    if (console.used > 0 && (all || now - console.partial_since >= patience))
        end_line(domain);
    if (console.budget.dropped > 0 && (all || may_print(console.budget, 0)))
        tell_dropped(domain);
    return console.used > 0 || console.budget.dropped > 0;
}

} // namespace bulkhead::hv
