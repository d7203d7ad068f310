// Ring policies written in Python: ringctl/contract.hpp, hook for hook.
#include "abi/enum_name.hpp"
#include "bindings/native/python_policy.hpp"
#include "ringctl/contract.hpp"

namespace bulkhead::python {

namespace py = pybind11;

namespace {

using Domain = Seen<ringctl::Domain>;
using Ring = Seen<ringctl::Ring>;
using Request = Seen<ringctl::Request>;

void create(void* policy, const plugin::Host& host, std::uint32_t depth, const std::int64_t*) {
    const py::gil_scoped_acquire locked;
    PythonPolicy& self = adopt(policy, plugin::Kind::ring);
    self.call("_start", self.keep(HostView{host}), depth);
}

ringctl::Decision read_decision(PythonPolicy& policy, const py::object& answer) {
    constexpr const char* expected = "next must return None, a request, or the instant in ns to ask again";
    return policy.answer(ringctl::Decision::nothing(), answer, expected, [&] {
        if (answer.is_none())
            return ringctl::Decision::nothing();
        if (py::isinstance<View<Request>>(answer))
            return ringctl::Decision::serve(answer.cast<View<Request>&>().get());
        return ringctl::Decision::wait(RealTime{whole_number(answer)});
    });
}

// A policy that asks a request or a ring for its owner finds the owner's view.
py::handle seen(PythonPolicy& self, ringctl::Ring& ring) {
    self.view_of(static_cast<Domain&>(*ring.domain));
    return self.view_of(static_cast<Ring&>(ring));
}
py::handle seen(PythonPolicy& self, ringctl::Request& request) {
    return self.view_of(static_cast<Request&>(request));
}

constexpr ringctl::Hooks hooks{
    .ring_bytes = sizeof(Ring),
    .request_bytes = sizeof(Request),
    .create = create,
    .create_domain = [](void* memory) { ::new (memory) Domain{}; },
    .create_ring = [](void* memory) { ::new (memory) Ring{}; },
    .create_request = [](void* memory) { ::new (memory) Request{}; },
    .attach =
        [](void* policy, ringctl::Ring& ring) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("attach", seen(python_self(policy), ring));
        },
    .detach =
        [](void* policy, ringctl::Ring& ring) {
            const py::gil_scoped_acquire locked;
            PythonPolicy& self = python_self(policy);
            self.call("detach", seen(self, ring));
            // Those in service are served to their end, but the policy hears no more of them.
            self.forget_all<Request>([&](const Request& request) { return request.ring == &ring; });
            self.forget(static_cast<Ring&>(ring));
        },
    .enqueue =
        [](void* policy, ringctl::Request& request, RealTime now) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("enqueue", seen(python_self(policy), request), ns(now));
        },
    .next =
        [](void* policy, RealTime now) {
            const py::gil_scoped_acquire locked;
            return read_decision(python_self(policy), python_self(policy).call("next", ns(now)));
        },
    .complete =
        [](void* policy, ringctl::Request& request, Nanos service, RealTime now) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("complete", seen(python_self(policy), request), service.count(),
                                     ns(now));
            python_self(policy).forget(static_cast<Request&>(request));
        },
    .withdraw =
        [](void* policy, ringctl::Request& request) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("withdraw", seen(python_self(policy), request));
            python_self(policy).forget(static_cast<Request&>(request));
        },
    .tune =
        [](void* policy, ringctl::Domain& domain) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("tune", python_self(policy).view_of(static_cast<Domain&>(domain)));
        },
};

} // namespace

std::shared_ptr<PythonPolicy> make_ring_policy(py::object object, std::string name,
                                               std::uint32_t parameters) {
    return std::make_shared<PythonPolicy>(std::move(object), std::move(name), parameters, plugin::Kind::ring,
                                          sizeof(Domain), &hooks);
}

void add_ring_views(py::module_& module) {
    py::class_<View<Domain>>(module, "RingDomain",
                             "A domain, as a ring policy sees it. It takes any other attribute that the "
                             "policy wants to keep with it.",
                             py::dynamic_attr())
        .def_property_readonly(
            "id", [](const View<Domain>& view) { return view.get().id.value(); }, "its number")
        .def_property_readonly(
            "rings", [](const View<Domain>& view) { return view.get().rings; },
            "attached ones, with the one in the hands of attach or detach")
        .def_property_readonly(
            "weight", [](const View<Domain>& view) { return view.get().weight; },
            "relative share, 1 to 65535")
        .def_property_readonly("values", values_of<Domain>, "effective parameters of the domain, by name");
    py::class_<View<Ring>>(module, "Ring",
                           "A ring of a domain, from attach to detach. It takes any other attribute that the "
                           "policy wants to keep with it.",
                           py::dynamic_attr())
        .def_property_readonly(
            "number", [](const View<Ring>& view) { return view.get().number; },
            "of the device's rings, from 0")
        .def_property_readonly(
            "domain",
            [](const View<Ring>& view) {
                return py::reinterpret_borrow<py::object>(static_cast<Domain*>(view.get().domain)->view);
            },
            "the RingDomain that it is of");
    py::class_<View<Request>>(module, "Request",
                              "A block request, from enqueue until complete, withdraw, or the detach of its "
                              "ring. It takes any other attribute that the policy wants to keep with it.",
                              py::dynamic_attr())
        .def_property_readonly(
            "ring",
            [](const View<Request>& view) {
                return py::reinterpret_borrow<py::object>(static_cast<Ring*>(view.get().ring)->view);
            },
            "the Ring that it came by")
        .def_property_readonly(
            "number", [](const View<Request>& view) { return view.get().number; },
            "in the order in which the device's requests came")
        .def_property_readonly(
            "sector", [](const View<Request>& view) { return view.get().sector; },
            "of 512 bytes, on the device")
        .def_property_readonly(
            "bytes", [](const View<Request>& view) { return view.get().bytes; },
            "how many it moves, or a discard forgets; none for a flush")
        .def_property_readonly(
            "operation", [](const View<Request>& view) { return enum_name(view.get().operation); },
            "read, write, send, receive, discard, flush or barrier")
        .def_property_readonly(
            "write",
            [](const View<Request>& view) { return view.get().operation == ringctl::Operation::write; },
            "True for a write, False for a read")
        .def_property_readonly(
            "arrived", [](const View<Request>& view) { return ns(view.get().arrived); },
            "ns of real time, when it was queued")
        .def_property_readonly(
            "estimate", [](const View<Request>& view) { return view.get().estimate.count(); },
            "ns of the device's time for it, by the host's model; at least 1")
        .def_property_readonly(
            "parts", [](const View<Request>& view) { return view.get().parts; },
            "packets that the network cuts it into, and counts it as; else 1");
}

} // namespace bulkhead::python
