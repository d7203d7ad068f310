#include "bindings/python_policy.hpp"

#include "bindings/parts.hpp"

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
    descriptor_.hooks = hooks;
}

PythonPolicy::~PythonPolicy() {
    const py::gil_scoped_acquire locked;
    for (PyObject* view : views_)
        py::handle{view}.dec_ref();
    object_ = {};
    failure_.reset();
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
    return {sim::Policy{&made->descriptor(), made, std::move(values)}, made};
}

void add_python_policies(py::module_& module) {
    py::class_<HostView>(module, "Host")
        .def_property_readonly("pcpus", [](const HostView& view) { return view.host->pcpus; })
        .def("now", [](const HostView& view) { return ns(view.host->now(view.host->context)); })
        .def("random", [](const HostView& view) { return view.host->random(view.host->context); })
        .def(
            "note",
            [](const HostView& view, std::uint64_t code, std::uint64_t value) {
                view.host->note(view.host->context, code, value);
            },
            py::arg("code"), py::arg("value"))
        .def(
            "kick",
            [](const HostView& view, std::uint16_t pcpu) {
                view.host->kick(view.host->context, PcpuId{pcpu});
            },
            py::arg("pcpu"));
    add_scheduler_views(module);
    add_memory_views(module);
    add_ring_views(module);
}

} // namespace bulkhead::python
