#include "bindings/native/python_policy.hpp"

#include "bindings/native/parts.hpp"
#include "plugin/policy.hpp"

namespace bulkhead::python {

namespace py = pybind11;

PythonPolicy::PythonPolicy(py::object object, std::string name, std::uint32_t parameters, plugin::Kind kind,
                           std::uint32_t domain_bytes, const void* hooks)
    : object_{std::move(object)}, name_{std::move(name)} {
    descriptor_.magic = plugin::magic;
    descriptor_.abi_version = plugin::abi_version;
    descriptor_.kind = kind;
    descriptor_.name = name_.c_str();
    descriptor_.parameter_count = parameters;
    descriptor_.policy_bytes = sizeof(PythonPolicy*);
    descriptor_.domain_bytes = domain_bytes;
    descriptor_.traits = object_.attr("traits")().cast<std::uint32_t>();
    descriptor_.hooks = hooks;
    read_domain_parameters();
}

// Rows of bulkhead.Parameter, which the class has checked.
void PythonPolicy::read_domain_parameters() {
    for (const py::handle row : object_.attr("domain_parameters")) {
        const auto text = [&](const char* field) {
            return texts_.emplace_back(row.attr(field).cast<std::string>()).c_str();
        };
        const auto number = [&](const char* field) { return row.attr(field).cast<std::int64_t>(); };
        domain_parameters_.push_back(
            {text("name"), text("unit"), text("help"), number("initial"), number("least"), number("most")});
    }
    descriptor_.domain_parameters = domain_parameters_.data();
    descriptor_.domain_parameter_count = domain_parameters_.size();
}

py::dict PythonPolicy::by_name(const std::int64_t* values) const {
    py::dict named;
    for (const plugin::Parameter& row : domain_parameters_)
        named[row.name] = *values++;
    return named;
}

PythonPolicy::~PythonPolicy() {
    const py::gil_scoped_acquire locked;
    retire();
    for (const auto& [python, view] : std::exchange(views_, {}))
        py::handle{python}.dec_ref();
    object_ = {};
    failure_.reset();
}

void PythonPolicy::retire() {
    const py::gil_scoped_acquire locked;
    for (const auto& [python, view] : views_)
        view->empty();
}

// Names the class, the hook and the type of its answer.
void PythonPolicy::set_type_error(const py::object& given, const char* expected) const {
    const auto text = py::str(py::type::of(object_).attr("__qualname__")).cast<std::string>() + "." +
                      expected + ", not " + Py_TYPE(given.ptr())->tp_name;
    PyErr_SetString(PyExc_TypeError, text.c_str());
}

void PythonPolicy::rethrow() {
    if (failure_) {
        py::error_already_set error = *std::move(failure_);
        failure_.reset();
        throw error; // NOLINT(misc-throw-by-value-catch-by-reference)
    }
}

PythonPolicy*& PythonPolicy::under_construction(plugin::Kind kind) {
    static thread_local PythonPolicy* made[4] = {};
    return made[static_cast<std::uint32_t>(kind)];
}

std::pair<sim::Policy, std::shared_ptr<PythonPolicy>> make_python_policy(plugin::Kind kind,
                                                                         const py::object& object,
                                                                         std::string name,
                                                                         std::vector<std::int64_t> values) {
    const auto make = kind == plugin::Kind::scheduler ? make_scheduler
                      : kind == plugin::Kind::memory  ? make_memory_policy
                                                      : make_ring_policy;
    auto made = make(object, std::move(name), static_cast<std::uint32_t>(values.size()));
    PythonPolicy::under_construction(kind) = made.get();
    sim::Policy policy{&made->descriptor(), made, std::move(values)};
    policy.retire = [python = made.get()] { python->retire(); };
    return {std::move(policy), made};
}

void add_python_policies(py::module_& module) {
    py::class_<HostView>(module, "Host", "The services of the machine that a policy runs in.")
        .def_property_readonly(
            "pcpus", [](const HostView& view) { return view.get().pcpus; },
            "how many there are; 0 for memory and ring policies")
        .def(
            "now", [](const HostView& view) { return ns(view.get().now(view.get().context)); },
            "real time [ns]")
        .def(
            "random", [](const HostView& view) { return view.get().random(view.get().context); },
            "64 bits from the run's seed")
        .def(
            "note",
            [](const HostView& view, std::uint64_t code, std::uint64_t value) {
                view.get().note(view.get().context, code, value);
            },
            py::arg("code"), py::arg("value"), "a policy_note record in the trace")
        .def(
            "kick",
            [](const HostView& view, std::uint16_t pcpu) {
                view.get().kick(view.get().context, PcpuId{pcpu});
            },
            py::arg("pcpu"), "have a pCPU stop its vCPU and ask again; schedulers only");
    add_scheduler_views(module);
    add_memory_views(module);
    add_ring_views(module);
}

} // namespace bulkhead::python
