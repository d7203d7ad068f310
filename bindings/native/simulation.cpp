// The simulator for Python: one object is one run. Long calls release the interpreter's lock; traces become
// numpy arrays that own the simulator's memory, without a copy.
#include "bindings/native/parts.hpp"
#include "bindings/native/simulation_plan.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

namespace bulkhead::python {
namespace {

namespace py = pybind11;

py::bytes bytes_of(const void* data, std::size_t size) {
    return py::bytes{static_cast<const char*>(data), size};
}

class Simulation {
  public:
    Simulation(const py::object& policy, const std::string& name, const std::vector<std::int64_t>& values,
               const Settings& settings, const std::vector<GuestRow>& guests,
               const std::vector<TimelineRow>& timeline, const std::vector<SuccessorRow>& successors,
               const std::optional<PolicyRow>& memory, const std::optional<PolicyRow>& ring)
        : instruction_{settings.instruction_ns}, opened_{open_scheduler(policy, name, values)},
          memory_{open_other(plugin::Kind::memory, memory)}, ring_{open_other(plugin::Kind::ring, ring)},
          world_{opened_.policy, complete(make_plan(settings, guests, timeline, successors))} {
        check();
    }
    ~Simulation() {
        for (PythonPolicy* policy : written())
            policy->retire();
    }
    Simulation(const Simulation&) = delete;
    Simulation& operator=(const Simulation&) = delete;

    // True while there is more to do. What a policy in Python raised comes before what followed from it.
    bool run(std::uint64_t events) {
        bool more = false;
        try {
            const py::gil_scoped_release unlocked;
            more = world_.run(events);
        } catch (...) {
            check();
            throw;
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
        auto [page, ledger] = world_.summary();
        page.ledger_used = page.ledger_capacity = static_cast<std::uint32_t>(ledger.size());
        auto& rings = world_.machine().recorder().rings();
        for (std::size_t i = 0; i < rings.size(); ++i)
            page.rings[i] = {0, rings[i].records.size() + rings[i].lost, rings[i].records.size(),
                             rings[i].lost, 0};
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
        return py::array{layouts()["trace.Record"].cast<py::dtype>(),
                         {records->size()},
                         {sizeof(trace::Record)},
                         records->data(),
                         keeper};
    }

  private:
    [[nodiscard]] sim::Plan complete(sim::Plan plan) const {
        if (memory_)
            plan.memory.policy = memory_->policy;
        if (ring_)
            plan.blocks.policy = ring_->policy;
        return plan;
    }

    // The policies in Python among the three.
    [[nodiscard]] std::vector<PythonPolicy*> written() const {
        std::vector<PythonPolicy*> all;
        for (const Opened* opened : {&opened_, memory_ ? &*memory_ : nullptr, ring_ ? &*ring_ : nullptr})
            if (opened != nullptr && opened->python)
                all.push_back(opened->python.get());
        return all;
    }

    // An exception of a policy in Python ends the run; Ctrl-C does as well.
    void check() {
        for (PythonPolicy* policy : written())
            policy->rethrow();
        if (PyErr_CheckSignals() != 0)
            throw py::error_already_set{};
    }

    Nanos instruction_;
    Opened opened_;
    std::optional<Opened> memory_, ring_;
    sim::World world_;
};

// A machine that cannot be as it was described; to Python a ValueError that no policy can have raised.
struct Refused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

template<class Do>
auto refusing(Do&& act) {
    try {
        return act();
    } catch (const std::invalid_argument& error) {
        throw Refused{error.what()};
    } catch (const py::value_error& error) {
        throw Refused{error.what()};
    }
}

template<class... Arguments>
std::unique_ptr<Simulation> make_simulation(const Arguments&... arguments) {
    return refusing([&] { return std::make_unique<Simulation>(arguments...); });
}

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
    py::register_exception<Refused>(module, "Refused", PyExc_ValueError);
    py::class_<GuestRow>(module, "SimGuest")
        .def(py::init<std::string, std::string, sim::ModelOptions, std::uint32_t, std::uint32_t,
                      std::uint32_t, bool, std::vector<std::int64_t>, bool, std::int64_t, std::int64_t,
                      std::vector<std::int64_t>, std::vector<std::int64_t>, std::int64_t,
                      std::vector<std::uint64_t>, std::vector<std::uint64_t>, std::uint32_t, std::uint32_t,
                      std::string, std::vector<std::uint64_t>>(),
             py::arg("name"), py::arg("model"), py::arg("options"), py::arg("weight"), py::arg("cap"),
             py::arg("vcpus"), py::arg("start_paused"), py::arg("sched_values"), py::arg("absent") = false,
             py::arg("frames") = 1, py::arg("first") = 0,
             py::arg("memory_values") = std::vector<std::int64_t>{},
             py::arg("ring_values") = std::vector<std::int64_t>{}, py::arg("start_ns") = 0,
             py::arg("affinity") = std::vector<std::uint64_t>{},
             py::arg("preferred") = std::vector<std::uint64_t>{}, py::arg("release") = 0,
             py::arg("group") = 0, py::arg("model_file") = "",
             py::arg("disk_sectors") = std::vector<std::uint64_t>{});
    py::class_<Settings>(module, "SimSettings")
        .def(py::init<std::uint32_t, std::uint64_t, std::uint32_t, std::uint64_t, std::int64_t, std::int64_t,
                      std::uint32_t, std::uint32_t, std::uint64_t, std::vector<std::int64_t>, bool,
                      std::map<std::string, std::int64_t>, std::int64_t, std::int64_t, Values, Values>(),
             py::kw_only(), py::arg("pcpus"), py::arg("seed"), py::arg("trace_groups"),
             py::arg("trace_records"), py::arg("instruction_ns"), py::arg("duration_ns"),
             py::arg("dom0_weight"), py::arg("dom0_share"), py::arg("dom0_affinity") = ~std::uint64_t{0},
             py::arg("dom0_sched_values"), py::arg("end_when_idle"), py::arg("costs"), py::arg("frames") = 1,
             py::arg("mib") = 0, py::arg("disk") = Values{}, py::arg("paging") = Values{});
    py::class_<Simulation>(module, "Simulation")
        .def(py::init(
                 &make_simulation<py::object, std::string, std::vector<std::int64_t>, Settings,
                                  std::vector<GuestRow>, std::vector<TimelineRow>, std::vector<SuccessorRow>,
                                  std::optional<PolicyRow>, std::optional<PolicyRow>>),
             py::arg("policy"), py::arg("name"), py::arg("values"), py::arg("settings"), py::arg("guests"),
             py::arg("timeline"), py::arg("successors"), py::arg("memory") = py::none(),
             py::arg("ring") = py::none())
        .def(
            "run",
            [](Simulation& simulation, std::uint64_t events) {
                return refusing([&] { return simulation.run(events); });
            },
            py::arg("events"))
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
