// The test image's main: runs the test that the command line names (`test=NAME`), or with `test=all` every
// test that can share a boot, one after another.
#include "guest/runtime/options.hpp"
#include "guest/runtime/schedule.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

#include <optional>

extern "C" {
extern const bulkhead::guest_test::Test* const program_entries_first[];
extern const bulkhead::guest_test::Test* const program_entries_last[];
}

namespace bulkhead::guest_test {
namespace {

constinit const Test* running = nullptr;
constinit bool verdict_given = false;

std::span<const Test* const> all() {
    return {program_entries_first, static_cast<std::size_t>(program_entries_last - program_entries_first)};
}

void give_verdict(Outcome outcome, std::string_view text) {
    constexpr std::string_view words[] = {"success", "skip", "failure", "error"};
    print("VERDICT {} {} {}\n", running->name, words[static_cast<std::size_t>(outcome)], text);
    verdict_given = true;
}

void run(const Test& test) {
    running = &test;
    verdict_given = false;
    const auto trap = traps::probe([&] { test.run(); });
    for (unsigned vector = 0; vector < 256; ++vector)
        traps::on(static_cast<traps::Vector>(vector), nullptr);
    if (trap && !verdict_given) {
        std::array<char, 128> text{};
        give_verdict(Outcome::error,
                     format(std::span<char>{text}, "trap {} error {x} at {x} address {x}",
                            static_cast<unsigned>(trap->vector), trap->error, trap->rip, trap->address));
    }
    if (!verdict_given)
        give_verdict(Outcome::success, "");
}

} // namespace

void finish(Outcome outcome, std::string_view text) {
    give_verdict(outcome, text);
    for (;;)
        asm volatile("ud2"); // back to run(), whose guard catches it
}

} // namespace bulkhead::guest_test

namespace bulkhead::guest {

void guest_main() {
    using namespace guest_test;
    const std::string_view wanted = options().text("test").value_or("");
    print("guest tests on {}\n", hypervisor_version());
    unsigned count = 0;
    for (const Test* test : all())
        if (wanted == test->name || (wanted == "all" && test->company == Company::together)) {
            guest_test::run(*test);
            ++count;
        }
    print("TESTS {} run\n", count);
    if (count == 0)
        panic("no test is called '{}'", wanted);
}

} // namespace bulkhead::guest
