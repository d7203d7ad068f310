// Schedulers written in Python: sched/contract.hpp, hook for hook.
#include "bindings/native/python_policy.hpp"
#include "sched/contract.hpp"

namespace bulkhead::python {

namespace py = pybind11;

namespace {

using Domain = Seen<sched::Domain>;
using Vcpu = Seen<sched::Vcpu>;
using Pcpu = Seen<sched::Pcpu>;

void create(void* policy, const plugin::Host& host, sched::Pcpu*, const std::int64_t*) {
    const py::gil_scoped_acquire locked;
    PythonPolicy& self = adopt(policy, plugin::Kind::scheduler);
    self.call("_start", self.keep(HostView{host}));
}

sched::Decision read_decision(PythonPolicy& policy, const py::object& answer) {
    constexpr const char* expected = "pick must return None, or a vCPU (or None) and a slice in ns";
    constexpr sched::Decision wrong{nullptr, Nanos{}};
    return policy.answer(wrong, answer, expected, [&] {
        if (answer.is_none())
            return sched::Decision::idle();
        const auto [who, slice] = pair_of(answer);
        sched::Vcpu* vcpu = who.is_none() ? nullptr : &who.cast<View<Vcpu>&>().get();
        return sched::Decision{vcpu, Nanos{whole_number(slice)}};
    });
}

constexpr sched::Hooks hooks{
    .create = create,
    .create_domain = [](void* memory) { ::new (memory) Domain{}; },
    .create_vcpu = [](void* memory) { ::new (memory) Vcpu{}; },
    .create_pcpu = [](void* memory) { ::new (memory) Pcpu{}; },
    .attach =
        [](void* policy, sched::Vcpu& vcpu) {
            const py::gil_scoped_acquire locked;
            python_self(policy).view_of(static_cast<Domain&>(*vcpu.domain));
            python_self(policy).call("attach", python_self(policy).view_of(static_cast<Vcpu&>(vcpu)));
        },
    .detach =
        [](void* policy, sched::Vcpu& vcpu) {
            const py::gil_scoped_acquire locked;
            auto& own = static_cast<Vcpu&>(vcpu);
            python_self(policy).call("detach", python_self(policy).view_of(own));
            python_self(policy).forget(own);
        },
    .wake =
        [](void* policy, sched::Vcpu& vcpu, RealTime now) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("wake", python_self(policy).view_of(static_cast<Vcpu&>(vcpu)), ns(now));
        },
    .deschedule =
        [](void* policy, sched::Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("deschedule", python_self(policy).view_of(static_cast<Vcpu&>(vcpu)),
                                     static_cast<std::uint32_t>(why), ran.count(), ns(now));
        },
    .pick =
        [](void* policy, sched::Pcpu& pcpu, RealTime now) {
            const py::gil_scoped_acquire locked;
            return read_decision(python_self(policy),
                                 python_self(policy).call(
                                     "pick", python_self(policy).view_of(static_cast<Pcpu&>(pcpu)), ns(now)));
        },
    .place = [](void*, sched::Vcpu& vcpu, RealTime) { return vcpu.last_pcpu; },
    .charge =
        [](void* policy, sched::Vcpu& vcpu, Nanos amount) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("charge", python_self(policy).view_of(static_cast<Vcpu&>(vcpu)),
                                     amount.count());
        },
    .tune =
        [](void* policy, sched::Domain& domain) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("tune", python_self(policy).view_of(static_cast<Domain&>(domain)));
        },
};

} // namespace

std::shared_ptr<PythonPolicy> make_scheduler(py::object object, std::string name, std::uint32_t parameters) {
    auto made = std::make_shared<PythonPolicy>(std::move(object), std::move(name), parameters,
                                               plugin::Kind::scheduler, sizeof(Domain), &hooks);
    made->descriptor().vcpu_bytes = sizeof(Vcpu);
    made->descriptor().pcpu_bytes = sizeof(Pcpu);
    return made;
}

void add_scheduler_views(py::module_& module) {
    py::class_<View<Domain>>(module, "SchedDomain",
                             "A domain, as a scheduler sees it. It takes any other attribute that the policy "
                             "wants to keep with it.",
                             py::dynamic_attr())
        .def_property_readonly(
            "id", [](const View<Domain>& view) { return view.get().id.value(); }, "its number")
        .def_property_readonly(
            "vcpus", [](const View<Domain>& view) { return view.get().vcpus; },
            "attached ones, with the one in the hands of attach or detach")
        .def_property_readonly(
            "weight", [](const View<Domain>& view) { return view.get().weight; },
            "relative share, 1 to 65535")
        .def_property_readonly(
            "cap", [](const View<Domain>& view) { return view.get().cap; }, "% of one pCPU, 0 for none")
        .def_property_readonly("values", values_of<Domain>, "effective parameters of the domain, by name");
    py::class_<View<Pcpu>>(
        module, "SchedPcpu",
        "A physical CPU. It takes any other attribute that the policy wants to keep with it.",
        py::dynamic_attr())
        .def_property_readonly(
            "id", [](const View<Pcpu>& view) { return view.get().id.value(); }, "its number, from 0");
    py::class_<View<Vcpu>>(module, "SchedVcpu",
                           "A virtual CPU, from attach to detach. It takes any other attribute that the "
                           "policy wants to keep with it.",
                           py::dynamic_attr())
        .def_property_readonly(
            "domain",
            [](const View<Vcpu>& view) {
                return py::reinterpret_borrow<py::object>(static_cast<Domain*>(view.get().domain)->view);
            },
            "the Domain that it is of")
        .def_property_readonly(
            "id", [](const View<Vcpu>& view) { return view.get().id.value(); },
            "its number in the domain, from 0")
        .def_property_readonly(
            "last_pcpu", [](const View<Vcpu>& view) { return view.get().last_pcpu.value(); },
            "number of the pCPU where it runs or ran last, or should start")
        .def_property_readonly(
            "affinity", [](const View<Vcpu>& view) { return view.get().affinity; },
            "bit n: it may run on pCPU n")
        .def_property_readonly(
            "preferred", [](const View<Vcpu>& view) { return view.get().preferred; },
            "bit n: it had rather run on pCPU n; 0: none is preferred")
        .def(
            "may_run_on",
            [](const View<Vcpu>& view, std::uint16_t pcpu) { return view.get().may_run_on(PcpuId{pcpu}); },
            py::arg("pcpu"), "whether its affinity allows that pCPU")
        .def(
            "prefers",
            [](const View<Vcpu>& view, std::uint16_t pcpu) { return view.get().prefers(PcpuId{pcpu}); },
            py::arg("pcpu"), "whether it had rather run on that pCPU than on others");
}

} // namespace bulkhead::python
