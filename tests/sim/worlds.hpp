// Short ways to say which simulated machine a test has.
#pragma once

#include "sim/world.hpp"
#include "tests/policy/plugin_file.hpp"

#include <numeric>

namespace bulkhead::sim_test {

using namespace bulkhead::sim;

inline Policy policy_of(const PluginFile& file) {
    auto kept = std::make_shared<PluginFile>(file);
    return {&kept->descriptor(), kept, file.defaults()};
}

inline GuestPlan guest(std::string name, std::string model, ModelOptions options = {},
                       std::uint32_t weight = 256) {
    if (model == "cpu_hog" || model == "compute")
        options.emplace("mark_ops", "250");
    return {std::move(name), std::move(model), std::move(options), weight, 0, 1, false, {}};
}

inline GuestPlan hog(std::string name, std::uint32_t weight = 256) {
    return guest(std::move(name), "cpu_hog", {}, weight);
}

// Plausible instruction counts, so that every path takes some time.
inline Costs some_costs() {
    Costs costs;
    for (const CostField& row : cost_fields)
        costs.*row.field = 1'200;
    return costs;
}

inline Plan plan(std::vector<GuestPlan> guests, Nanos duration, std::uint32_t pcpus = 1) {
    Plan plan;
    plan.machine.pcpus = pcpus;
    plan.machine.costs = some_costs();
    plan.machine.trace_groups = 0xff;
    plan.machine.trace_records = 1 << 20;
    plan.duration = duration;
    plan.guests = std::move(guests);
    plan.end_when_idle = false;
    return plan;
}

// Afterwards the domains' ledgers are settled, as the page is.
inline landmark::Page finish(World& world) {
    world.machine().run_until(RealTime::never());
    const auto summary = world.machine().summary();
    for (std::size_t i = 0; i < summary.ledger.size(); ++i)
        world.machine().domains()[i].ledger = summary.ledger[i];
    return summary.page;
}

inline double share(World& world, std::size_t domain) {
    const auto& domains = world.machine().domains();
    std::int64_t all = 0;
    for (const Domain& each : domains)
        all += each.ledger.guest_ns;
    return static_cast<double>(domains[domain].ledger.guest_ns) / static_cast<double>(all);
}

} // namespace bulkhead::sim_test
