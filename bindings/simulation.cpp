// The simulator for Python: one object is one run. Long calls release the interpreter's lock; traces become
// numpy arrays that own the simulator's memory, without a copy.
#include "bindings/parts.hpp"
#include "bindings/python_policy.hpp"
#include "hv/plugin/fallback.hpp"
#include "sim/plugin_file.hpp"
#include "sim/world.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

namespace bulkhead::python {
namespace {

namespace py = pybind11;

struct GuestRow {
    std::string name, model;
    sim::ModelOptions options;
    std::uint32_t weight, cap, vcpus;
    bool start_paused;
    std::vector<std::int64_t> sched_values;
    bool absent;
};

using TimelineRow = std::tuple<std::int64_t, std::uint32_t, std::uint32_t, std::int64_t>;

struct Settings {
    std::uint32_t pcpus;
    std::uint64_t seed;
    std::uint32_t trace_groups;
    std::uint64_t trace_records;
    std::int64_t instruction_ns;
    std::int64_t duration_ns;
    std::uint32_t dom0_weight;
    std::vector<std::int64_t> dom0_sched_values;
    bool end_when_idle;
    std::map<std::string, std::int64_t> costs;
};

struct Opened {
    sim::Policy policy;
    std::shared_ptr<PythonPolicy> python; // if it is one
};

// None for the built-in fallback, the path of a plug-in, or a scheduler object with its name.
Opened open_policy(const py::object& policy, const std::string& name,
                   const std::vector<std::int64_t>& values) {
    if (policy.is_none())
        return {{&hv::fallback_scheduler(), nullptr, {}}, nullptr};
    if (!py::isinstance<py::str>(policy)) {
        auto [made, python] = make_python_policy(policy, name, values);
        return {std::move(made), std::move(python)};
    }
    const auto path = policy.cast<std::string>();
    auto file = sim::PluginFile::open(path);
    if (!file)
        throw py::value_error{file.error()};
    if (values.size() != file->descriptor().parameter_count)
        throw py::value_error{path + " takes " + std::to_string(file->descriptor().parameter_count) +
                              " parameters"};
    auto kept = std::make_shared<sim::PluginFile>(*file);
    return {{&kept->descriptor(), kept, values}, nullptr};
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

// Path, effective values, costs in instructions.
using SuccessorRow = std::tuple<std::string, std::vector<std::int64_t>, std::map<std::string, std::int64_t>>;

std::vector<sim::Successor> open_all(const std::vector<SuccessorRow>& successors, Nanos instruction) {
    std::vector<sim::Successor> opened;
    opened.reserve(successors.size());
    for (const auto& [path, values, costs] : successors)
        opened.push_back({open_policy(py::str{path}, path, values).policy,
                          sim::in_nanoseconds(read_costs(costs), instruction)});
    return opened;
}

std::vector<manifest::TimelineEntry> read_timeline(const std::vector<TimelineRow>& rows) {
    std::vector<manifest::TimelineEntry> entries;
    entries.reserve(rows.size());
    for (const auto& [at, action, target, argument] : rows)
        entries.push_back({at, static_cast<manifest::Action>(action), target, argument});
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
    plan.dom0_weight = settings.dom0_weight;
    plan.dom0_sched_values = settings.dom0_sched_values;
    plan.end_when_idle = settings.end_when_idle;
    for (const GuestRow& row : guests)
        plan.guests.push_back({row.name, row.model, row.options, row.weight, row.cap, row.vcpus,
                               row.start_paused, row.sched_values, row.absent});
    plan.timeline = read_timeline(timeline);
    plan.successors = open_all(successors, plan.instruction);
    return plan;
}

py::bytes bytes_of(const void* data, std::size_t size) {
    return py::bytes{static_cast<const char*>(data), size};
}

class Simulation {
  public:
    Simulation(const py::object& policy, const std::string& name, const std::vector<std::int64_t>& values,
               const Settings& settings, const std::vector<GuestRow>& guests,
               const std::vector<TimelineRow>& timeline, const std::vector<SuccessorRow>& successors)
        : instruction_{settings.instruction_ns}, opened_{open_policy(policy, name, values)},
          world_{opened_.policy, make_plan(settings, guests, timeline, successors)} {
        check();
    }

    // True while there is more to do.
    bool run(std::uint64_t events) {
        bool more = false;
        {
            const py::gil_scoped_release unlocked;
            more = world_.run(events);
        }
        check();
        return more;
    }
    [[nodiscard]] double progress() const { return world_.progress(); }
    [[nodiscard]] bool stopped() const { return world_.stopped(); }
    [[nodiscard]] std::int64_t stopped_at() const { return world_.stopped_at().count(); }
    [[nodiscard]] std::vector<std::pair<std::int64_t, std::int64_t>> answers() const {
        std::vector<std::pair<std::int64_t, std::int64_t>> all;
        for (const sim::Answer& answer : world_.answers())
            all.emplace_back(answer.done_at, answer.result);
        return all;
    }
    void proceed(const std::vector<TimelineRow>& timeline, const std::vector<SuccessorRow>& successors) {
        world_.proceed(read_timeline(timeline), open_all(successors, instruction_));
    }
    [[nodiscard]] const std::vector<std::string>& consoles() const { return world_.consoles(); }
    std::uint64_t decisions() { return world_.machine().decisions(); }

    // The landmark page and the ledger's rows, as they would lie in RAM.
    std::pair<py::bytes, py::bytes> summary() {
        auto [page, ledger] = world_.machine().summary();
        page.started = world_.started_at().since_start().count();
        page.ledger_used = page.ledger_capacity = static_cast<std::uint32_t>(ledger.size());
        auto& rings = world_.machine().recorder().rings();
        for (std::size_t i = 0; i < rings.size(); ++i)
            page.rings[i] = {0, rings[i].records.size() + rings[i].lost, rings[i].records.size(),
                             rings[i].lost};
        return {bytes_of(&page, sizeof page),
                bytes_of(ledger.data(), ledger.size() * sizeof(landmark::LedgerEntry))};
    }

    // A ring's records; the array takes them over, so a second call gives an empty one.
    py::array take_ring(std::size_t pcpu) {
        auto& rings = world_.machine().recorder().rings();
        auto owned = std::make_unique<std::vector<trace::Record>>(std::move(rings.at(pcpu).records));
        auto* records = owned.get();
        const py::capsule keeper{owned.release(),
                                 [](void* kept) { delete static_cast<std::vector<trace::Record>*>(kept); }};
        return py::array{py::dtype::of<trace::Record>(),
                         {records->size()},
                         {sizeof(trace::Record)},
                         records->data(),
                         keeper};
    }

  private:
    // An exception of a policy in Python ends the run; Ctrl-C does as well.
    void check() {
        if (opened_.python)
            rethrow_failure(*opened_.python);
        if (PyErr_CheckSignals() != 0)
            throw py::error_already_set{};
    }

    Nanos instruction_;
    Opened opened_;
    sim::World world_;
};

py::list cost_rows() {
    py::list rows;
    for (const sim::CostField& row : sim::cost_fields)
        rows.append(py::make_tuple(row.name, row.help));
    return rows;
}

py::list model_rows() {
    py::list rows;
    for (const sim::Model& model : sim::models()) {
        py::list options;
        for (const sim::ModelOption& option : model.options)
            options.append(py::make_tuple(option.name, option.unit, option.initial, option.help));
        rows.append(py::make_tuple(model.name, model.help, options));
    }
    return rows;
}

} // namespace

void add_simulation(py::module_& module) {
    add_python_policies(module);
    py::class_<GuestRow>(module, "SimGuest")
        .def(py::init<std::string, std::string, sim::ModelOptions, std::uint32_t, std::uint32_t,
                      std::uint32_t, bool, std::vector<std::int64_t>, bool>(),
             py::arg("name"), py::arg("model"), py::arg("options"), py::arg("weight"), py::arg("cap"),
             py::arg("vcpus"), py::arg("start_paused"), py::arg("sched_values"), py::arg("absent") = false);
    py::class_<Settings>(module, "SimSettings")
        .def(py::init<std::uint32_t, std::uint64_t, std::uint32_t, std::uint64_t, std::int64_t, std::int64_t,
                      std::uint32_t, std::vector<std::int64_t>, bool, std::map<std::string, std::int64_t>>(),
             py::kw_only(), py::arg("pcpus"), py::arg("seed"), py::arg("trace_groups"),
             py::arg("trace_records"), py::arg("instruction_ns"), py::arg("duration_ns"),
             py::arg("dom0_weight"), py::arg("dom0_sched_values"), py::arg("end_when_idle"),
             py::arg("costs"));
    py::class_<Simulation>(module, "Simulation")
        .def(py::init<py::object, std::string, std::vector<std::int64_t>, Settings, std::vector<GuestRow>,
                      std::vector<TimelineRow>, std::vector<SuccessorRow>>(),
             py::arg("policy"), py::arg("name"), py::arg("values"), py::arg("settings"), py::arg("guests"),
             py::arg("timeline"), py::arg("successors"))
        .def("run", &Simulation::run, py::arg("events"))
        .def("summary", &Simulation::summary)
        .def("proceed", &Simulation::proceed, py::arg("timeline"), py::arg("successors"))
        .def("answers", &Simulation::answers)
        .def_property_readonly("consoles", &Simulation::consoles)
        .def_property_readonly("stopped", &Simulation::stopped)
        .def_property_readonly("stopped_at", &Simulation::stopped_at)
        .def("take_ring", &Simulation::take_ring, py::arg("pcpu"))
        .def_property_readonly("progress", &Simulation::progress)
        .def_property_readonly("decisions", &Simulation::decisions);
    module.attr("sim_costs") = cost_rows();
    module.attr("sim_models") = model_rows();
}

} // namespace bulkhead::python
