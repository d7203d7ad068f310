#include "bindings/python_policy.hpp"

#include "bindings/parts.hpp"

#include <optional>

namespace bulkhead::python {

namespace py = pybind11;

// What Python holds of an object of the machine. The machine's object may go first; then it is empty.
template<class T>
struct View {
    T* object = nullptr;
    [[nodiscard]] T& get() const {
        if (object == nullptr)
            throw py::value_error{"this vCPU is gone; a policy must forget it in detach"};
        return *object;
    }
};

namespace {

struct Domain : sched::Domain {
    py::handle view; // a reference that the machine's object owns
};
struct Vcpu : sched::Vcpu {
    py::handle view;
};
struct Pcpu : sched::Pcpu {
    py::handle view;
};

} // namespace

class PythonPolicy {
  public:
    PythonPolicy(py::object scheduler, std::string name, std::uint32_t parameters)
        : scheduler_{std::move(scheduler)}, name_{std::move(name)} {
        descriptor_.magic = plugin::magic;
        descriptor_.abi_version = plugin::abi_version;
        descriptor_.kind = plugin::Kind::scheduler;
        descriptor_.name = name_.c_str();
        descriptor_.parameter_count = parameters;
        descriptor_.policy_bytes = sizeof(PythonPolicy*);
        descriptor_.domain_bytes = sizeof(Domain);
        descriptor_.vcpu_bytes = sizeof(Vcpu);
        descriptor_.pcpu_bytes = sizeof(Pcpu);
        descriptor_.hooks = &hooks;
    }
    ~PythonPolicy() {
        const py::gil_scoped_acquire locked;
        for (const py::handle view : views_)
            view.dec_ref();
        scheduler_ = {};
        failure_.reset();
    }
    PythonPolicy(const PythonPolicy&) = delete;
    PythonPolicy& operator=(const PythonPolicy&) = delete;

    [[nodiscard]] const plugin::Descriptor& descriptor() const { return descriptor_; }

    // Calls a method of the scheduler; after the first exception nothing is called any more.
    template<class... Arguments>
    py::object call(const char* method, Arguments&&... arguments) {
        if (failure_)
            return py::none{};
        try {
            return scheduler_.attr(method)(std::forward<Arguments>(arguments)...);
        } catch (py::error_already_set& error) {
            failure_.emplace(error);
            return py::none{};
        }
    }
    void rethrow() {
        if (failure_) {
            py::error_already_set error = *std::move(failure_);
            failure_.reset();
            throw error; // NOLINT(misc-throw-by-value-catch-by-reference)
        }
    }
    void fail(py::error_already_set& error) {
        if (!failure_)
            failure_.emplace(error);
    }
    [[nodiscard]] bool failed() const { return failure_.has_value(); }

    template<class T>
    py::handle view_of(T& object) {
        if (!object.view) {
            object.view = py::cast(View<T>{&object}).release();
            views_.push_back(object.view);
        }
        return object.view;
    }

    static thread_local PythonPolicy* under_construction;
    static const sched::Hooks hooks;

  private:
    py::object scheduler_;
    std::string name_;
    plugin::Descriptor descriptor_{};
    std::vector<py::handle> views_;
    std::optional<py::error_already_set> failure_;
};

thread_local PythonPolicy* PythonPolicy::under_construction = nullptr;

namespace {

// The services of the host for Python. Valid as long as the machine.
struct HostView {
    const plugin::Host* host;
};

PythonPolicy& self(void* policy) { return **static_cast<PythonPolicy**>(policy); }
std::int64_t ns(RealTime time) { return time.since_start().count(); }

void create(void* policy, const plugin::Host& host, sched::Pcpu*, const std::int64_t*) {
    const py::gil_scoped_acquire locked;
    PythonPolicy* made = PythonPolicy::under_construction;
    *static_cast<PythonPolicy**>(policy) = made;
    made->call("_start", HostView{&host});
}

sched::Decision read_decision(PythonPolicy& policy, const py::object& answer) {
    constexpr sched::Decision wrong{nullptr, Nanos{}};
    if (policy.failed())
        return wrong;
    if (answer.is_none())
        return sched::Decision::idle();
    try {
        const auto pair = answer.cast<py::tuple>();
        if (pair.size() != 2)
            throw py::type_error{"pick must return None, or a vCPU (or None) and a slice in ns"};
        sched::Vcpu* vcpu = pair[0].is_none() ? nullptr : &pair[0].cast<View<Vcpu>&>().get();
        return {vcpu, Nanos{pair[1].cast<std::int64_t>()}};
    } catch (const py::cast_error&) {
        PyErr_SetString(PyExc_TypeError, "pick must return None, or a vCPU (or None) and a slice in ns");
    } catch (const py::builtin_exception& error) {
        error.set_error();
    }
    py::error_already_set error;
    policy.fail(error);
    return wrong;
}

} // namespace

const sched::Hooks PythonPolicy::hooks{
    .create = create,
    .create_domain = [](void* memory) { ::new (memory) Domain{}; },
    .create_vcpu = [](void* memory) { ::new (memory) Vcpu{}; },
    .create_pcpu = [](void* memory) { ::new (memory) Pcpu{}; },
    .attach =
        [](void* policy, sched::Vcpu& vcpu) {
            const py::gil_scoped_acquire locked;
            self(policy).view_of(static_cast<Domain&>(*vcpu.domain));
            self(policy).call("attach", self(policy).view_of(static_cast<Vcpu&>(vcpu)));
        },
    .detach =
        [](void* policy, sched::Vcpu& vcpu) {
            const py::gil_scoped_acquire locked;
            const py::handle view = self(policy).view_of(static_cast<Vcpu&>(vcpu));
            self(policy).call("detach", view);
            view.cast<View<Vcpu>&>().object = nullptr;
        },
    .wake =
        [](void* policy, sched::Vcpu& vcpu, RealTime now) {
            const py::gil_scoped_acquire locked;
            self(policy).call("wake", self(policy).view_of(static_cast<Vcpu&>(vcpu)), ns(now));
        },
    .deschedule =
        [](void* policy, sched::Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
            const py::gil_scoped_acquire locked;
            self(policy).call("deschedule", self(policy).view_of(static_cast<Vcpu&>(vcpu)),
                              static_cast<std::uint32_t>(why), ran.count(), ns(now));
        },
    .pick =
        [](void* policy, sched::Pcpu& pcpu, RealTime now) {
            const py::gil_scoped_acquire locked;
            return read_decision(
                self(policy),
                self(policy).call("pick", self(policy).view_of(static_cast<Pcpu&>(pcpu)), ns(now)));
        },
    .place = [](void*, sched::Vcpu& vcpu, RealTime) { return vcpu.last_pcpu; },
    .charge =
        [](void* policy, sched::Vcpu& vcpu, Nanos amount) {
            const py::gil_scoped_acquire locked;
            self(policy).call("charge", self(policy).view_of(static_cast<Vcpu&>(vcpu)), amount.count());
        },
    .tune =
        [](void* policy, sched::Domain& domain) {
            const py::gil_scoped_acquire locked;
            self(policy).call("tune", self(policy).view_of(static_cast<Domain&>(domain)));
        },
};

std::pair<sim::Policy, std::shared_ptr<PythonPolicy>>
make_python_policy(const py::object& scheduler, std::string name, std::vector<std::int64_t> values) {
    auto made =
        std::make_shared<PythonPolicy>(scheduler, std::move(name), static_cast<std::uint32_t>(values.size()));
    PythonPolicy::under_construction = made.get();
    return {sim::Policy{&made->descriptor(), made, std::move(values)}, made};
}

void rethrow_failure(PythonPolicy& policy) { policy.rethrow(); }

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
    py::class_<View<Domain>>(module, "SchedDomain", py::dynamic_attr())
        .def_property_readonly("id", [](const View<Domain>& view) { return view.get().id.value(); })
        .def_property_readonly("vcpus", [](const View<Domain>& view) { return view.get().vcpus; })
        .def_property_readonly("weight", [](const View<Domain>& view) { return view.get().weight; })
        .def_property_readonly("cap", [](const View<Domain>& view) { return view.get().cap; });
    py::class_<View<Pcpu>>(module, "SchedPcpu", py::dynamic_attr())
        .def_property_readonly("id", [](const View<Pcpu>& view) { return view.get().id.value(); });
    py::class_<View<Vcpu>>(module, "SchedVcpu", py::dynamic_attr())
        .def_property_readonly("domain",
                               [](const View<Vcpu>& view) {
                                   return py::reinterpret_borrow<py::object>(
                                       static_cast<Domain*>(view.get().domain)->view);
                               })
        .def_property_readonly("id", [](const View<Vcpu>& view) { return view.get().id.value(); })
        .def_property_readonly("last_pcpu",
                               [](const View<Vcpu>& view) { return view.get().last_pcpu.value(); })
        .def_property_readonly("affinity", [](const View<Vcpu>& view) { return view.get().affinity; })
        .def(
            "may_run_on",
            [](const View<Vcpu>& view, std::uint16_t pcpu) { return view.get().may_run_on(PcpuId{pcpu}); },
            py::arg("pcpu"));
}

} // namespace bulkhead::python
