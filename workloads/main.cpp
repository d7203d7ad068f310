// The guest image's main: finds the workload that the command line names, checks its options, runs it, ends
// as it says.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/options.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/schedule.hpp"
#include "guest/runtime/start.hpp"
#include "workloads/workload.hpp"

extern "C" {
extern const bulkhead::workload::Workload* const program_entries_first[];
extern const bulkhead::workload::Workload* const program_entries_last[];
}

namespace bulkhead::workload {
namespace {

using namespace bulkhead::guest;

constexpr Option common_options[] = {
    {"workload", "text", "-", "which workload this guest runs"},
    {"for_ms", "ms", "0", "stop after this much guest time, print the result and power off; 0 for never"},
    {"sleep_first_ms", "ms", "0", "sleep before starting"},
    {"end", "text", "off", "how the guest ends: off, reboot or crash"},
};
constexpr Workload common{Kind::common, "options", "options that every workload has", common_options,
                          nullptr};
BULKHEAD_WORKLOAD(common)

struct Span {
    GuestTime began{};
    GuestTime ends = GuestTime::never();
};
constinit Span span{};

std::span<const Workload* const> all() {
    return {program_entries_first, static_cast<std::size_t>(program_entries_last - program_entries_first)};
}

const Workload* find(std::string_view name) {
    for (const Workload* workload : all())
        if (workload->run != nullptr && workload->name == name)
            return workload;
    return nullptr;
}

[[noreturn]] void refuse(std::string_view what, std::string_view word) {
    print("guest: {} '{}'; known workloads:", what, word);
    for (const Workload* workload : all())
        if (workload->run != nullptr)
            print(" {}", workload->name);
    print("\n");
    shutdown(Shutdown::crash);
}

Shutdown chosen_end() {
    const std::string_view end = options().text("end").value_or("off");
    if (end == "off")
        return Shutdown::poweroff;
    if (end == "reboot")
        return Shutdown::reboot;
    if (end == "crash")
        return Shutdown::crash;
    print("guest: unknown end '{}'; known: off, reboot, crash\n", end);
    shutdown(Shutdown::crash);
}

bool has_option(const Workload& workload, std::string_view name) {
    for (const Option& option : workload.options)
        if (option.name == name)
            return true;
    return false;
}

void check_options(const Workload& workload) {
    for (std::size_t i = 0; const auto key = options().key(i); ++i)
        if (!has_option(common, *key) && !has_option(workload, *key))
            refuse("unknown option", *key);
    for (const Option& option : workload.options)
        if (option.initial == "-" && !options().text(option.name))
            refuse("missing option", option.name);
}

} // namespace

std::uint64_t Option::number() const { return options().number(name, parse_number(initial).value_or(0)); }
std::string_view Option::text() const { return options().text(name).value_or(initial); }

bool over() { return span.ends != GuestTime::never() && now() >= span.ends; }
GuestTime began() { return span.began; }
GuestTime ends() { return span.ends; }

} // namespace bulkhead::workload

namespace bulkhead::guest {

void guest_main() {
    using namespace workload;
    const std::string_view name = options().text("workload").value_or("");
    const Workload* const chosen = find(name);
    if (chosen == nullptr)
        refuse("unknown workload", name);
    check_options(*chosen);
    const Shutdown end = chosen_end();
    const std::uint64_t first = options().number("sleep_first_ms", 0);
    const std::uint64_t length = options().number("for_ms", 0);
    if (first != 0)
        sleep(milliseconds(static_cast<std::int64_t>(first)));
    span.began = now();
    if (length != 0)
        span.ends = span.began + milliseconds(static_cast<std::int64_t>(length));
    print("guest: {} on {} with {} pages\n", name, hypervisor_version(), page_count());
    mark(Mark::ready);
    chosen->run();
    shutdown(end);
}

} // namespace bulkhead::guest
