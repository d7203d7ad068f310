#include "bindings/native/simulation_plan.hpp"

#include "host/fallbacks.hpp"
#include "sim/plugin_file.hpp"

#include <algorithm>

namespace bulkhead::python {
namespace {

namespace py = pybind11;

// The plug-in at `path`, with so many parameters as it takes.
sim::Policy open_file(plugin::Kind kind, const std::string& path, const std::vector<std::int64_t>& values) {
    auto file = sim::PluginFile::open(path, kind);
    if (!file)
        throw py::value_error{file.error()};
    sim::Policy policy = file->policy();
    if (values.size() != policy.values.size())
        throw py::value_error{path + " takes " + std::to_string(policy.values.size()) + " parameters"};
    policy.values = values;
    return policy;
}

// The path of a plug-in, or an object of a class in Python with its name.
Opened open_policy(plugin::Kind kind, const py::object& policy, const std::string& name,
                   const std::vector<std::int64_t>& values) {
    if (py::isinstance<py::str>(policy))
        return {open_file(kind, policy.cast<std::string>(), values), nullptr};
    auto [made, python] = make_python_policy(kind, policy, name, values);
    return {std::move(made), std::move(python)};
}

sim::Costs read_costs(const std::map<std::string, std::int64_t>& given) {
    sim::Costs costs;
    for (const auto& [name, value] : given) {
        const auto* row = std::ranges::find(sim::cost_fields, name, &sim::CostField::name);
        if (row == sim::cost_fields.end())
            throw py::value_error{"the simulator has no cost '" + name + "'"};
        if (value < 0)
            throw py::value_error{"cost " + name + "=" + std::to_string(value) + " is below 0"};
        costs.*row->field = value;
    }
    return costs;
}

// What a model's value is, or else its default; in units of so many ns.
std::int64_t value_or(const Values& values, const char* name, std::int64_t other) {
    const auto found = values.find(name);
    return found != values.end() ? found->second : other;
}
void read_time(const Values& values, const char* name, std::int64_t unit, Nanos& into) {
    if (values.contains(name))
        into = Nanos{values.at(name) * unit};
}

sim::BlockPlan block_plan(const Settings& settings) {
    sim::BlockPlan plan;
    const Values& given = settings.disk;
    read_time(given, "request_us", 1'000, plan.disk.request);
    read_time(given, "seek_us", 1'000, plan.disk.seek);
    read_time(given, "flush_us", 1'000, plan.disk.flush);
    read_time(given, "stroke_us", 1'000, plan.disk.stroke);
    read_time(given, "program_us", 1'000, plan.disk.program);
    read_time(given, "erase_us", 1'000, plan.disk.erase);
    plan.disk.erase_bytes = static_cast<std::uint64_t>(value_or(given, "erase_kib", 0)) * 1'024;
    plan.disk.channels = static_cast<std::uint32_t>(value_or(given, "channels", plan.disk.channels));
    plan.disk.bytes_per_us = value_or(given, "bytes_per_us", plan.disk.bytes_per_us);
    plan.disk.depth = static_cast<std::uint32_t>(value_or(given, "depth", plan.disk.depth));
    plan.is_billed = value_or(given, "billed", 1) != 0;
    return plan;
}

// One after another on the drive, in the order of the guests, as the hypervisor lays them out.
std::vector<sim::DiskPart> disk_parts(const std::vector<GuestRow>& guests) {
    std::vector<sim::DiskPart> parts;
    std::uint64_t first = 0;
    for (std::uint32_t guest = 0; guest < guests.size(); ++guest)
        for (const std::uint64_t sectors : guests[guest].disk_sectors) {
            parts.push_back({guest, first, sectors});
            first += sectors;
        }
    return parts;
}

sim::MemoryPlan memory_plan(const Settings& settings) {
    sim::MemoryPlan plan;
    const Values& given = settings.paging;
    plan.frames = sim::Frames{settings.frames};
    plan.zones = static_cast<std::uint32_t>(value_or(given, "zones", plan.zones));
    read_time(given, "period_us", 1'000, plan.period);
    read_time(given, "swap_us", 1'000, plan.swap);
    read_time(given, "look_work", settings.instruction_ns, plan.look);
    plan.sampled = static_cast<std::size_t>(value_or(given, "sampled", 100));
    plan.force = static_cast<sim::MemoryPlan::Force>(value_or(given, "by_force", 1));
    return plan;
}

std::shared_ptr<const sim::ModelFile> open_model(const std::string& path) {
    if (path.empty())
        return nullptr;
    auto opened = sim::ModelFile::open(path);
    if (!opened)
        throw pybind11::value_error{opened.error()};
    return *opened;
}

} // namespace

Opened open_scheduler(const py::object& policy, const std::string& name,
                      const std::vector<std::int64_t>& values) {
    if (policy.is_none())
        return {{&host::fallback_scheduler(), nullptr, {}}, nullptr};
    return open_policy(plugin::Kind::scheduler, policy, name, values);
}

std::optional<Opened> open_other(plugin::Kind kind, const std::optional<PolicyRow>& row) {
    if (!row)
        return std::nullopt;
    const auto& [policy, name, values] = *row;
    return open_policy(kind, policy, name, values);
}

std::vector<sim::Successor> open_all(const std::vector<SuccessorRow>& successors, Nanos instruction) {
    std::vector<sim::Successor> opened;
    opened.reserve(successors.size());
    for (const auto& [kind, path, values, costs] : successors)
        opened.push_back({open_file(static_cast<plugin::Kind>(kind), path, values),
                          sim::in_nanoseconds(read_costs(costs), instruction)});
    return opened;
}

namespace {

plugin::ValueChanges read_changes(const ChangesRow& row) {
    const auto& [kind, values] = row;
    plugin::ValueChanges changes{};
    changes.kind = static_cast<plugin::Kind>(kind);
    for (const auto& [key, value] : values) {
        if (changes.count == plugin::max_domain_parameters)
            throw pybind11::value_error{"more parameters than a domain has"};
        changes.keys[changes.count] = key;
        changes.values[changes.count++] = value;
    }
    return changes;
}

} // namespace

std::vector<manifest::TimelineEntry> read_timeline(const std::vector<TimelineRow>& rows) {
    std::vector<manifest::TimelineEntry> entries;
    entries.reserve(rows.size());
    for (const auto& [at, action, target, argument, changes] : rows)
        entries.push_back(
            {at, static_cast<manifest::Action>(action), target, argument, read_changes(changes)});
    return entries;
}

sim::Plan make_plan(const Settings& settings, const std::vector<GuestRow>& guests,
                    const std::vector<TimelineRow>& timeline, const std::vector<SuccessorRow>& successors) {
    sim::Plan plan;
    plan.machine.pcpus = settings.pcpus;
    plan.machine.seed = settings.seed;
    plan.machine.trace_groups = settings.trace_groups;
    plan.machine.trace_records = settings.trace_records;
    plan.instruction = Nanos{settings.instruction_ns};
    plan.machine.costs = sim::in_nanoseconds(read_costs(settings.costs), plan.instruction);
    plan.duration = Nanos{settings.duration_ns};
    plan.mib = settings.mib;
    plan.dom0_weight = settings.dom0_weight;
    plan.dom0_share = settings.dom0_share;
    plan.dom0_affinity = settings.dom0_affinity;
    plan.dom0_sched_values = settings.dom0_sched_values;
    plan.end_when_idle = settings.end_when_idle;
    plan.blocks = block_plan(settings);
    plan.memory = memory_plan(settings);
    plan.disks = disk_parts(guests);
    if (!plan.disks.empty())
        plan.blocks.disk.sectors = plan.disks.back().first + plan.disks.back().sectors;
    for (const GuestRow& row : guests)
        plan.guests.push_back({row.name, row.model, row.options, row.weight, row.cap, row.vcpus,
                               row.start_paused, row.sched_values, row.absent, sim::Frames{row.frames},
                               sim::Frames{row.first}, row.memory_values, row.ring_values,
                               Nanos{row.start_ns}, sim::Placements{row.affinity, row.preferred}, row.release,
                               row.group, open_model(row.model_file)});
    plan.timeline = read_timeline(timeline);
    plan.successors = open_all(successors, plan.instruction);
    return plan;
}

} // namespace bulkhead::python
