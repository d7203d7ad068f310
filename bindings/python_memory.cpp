// Memory policies written in Python: memctl/contract.hpp, hook for hook.
#include "bindings/python_policy.hpp"
#include "memctl/contract.hpp"

#include <pybind11/stl.h>

namespace bulkhead::python {

namespace py = pybind11;
using memctl::Frames;

namespace {

using Domain = Seen<memctl::Domain>;

// The machine's memory. Valid as long as the machine.
struct MemoryView {
    std::span<const memctl::Zone> zones;
    std::int64_t frames;
};

void create(void* policy, const plugin::Host& host, const memctl::Machine& machine, const std::int64_t*) {
    const py::gil_scoped_acquire locked;
    adopt(policy, plugin::Kind::memory)
        .call("_start", HostView{&host},
              MemoryView{{machine.zones, machine.zone_count}, machine.frames.count()});
}

memctl::Grant read_grant(PythonPolicy& policy, const py::object& answer) {
    constexpr const char* expected = "choose must return None, or a zone and a number of frames";
    return policy.answer(memctl::Grant::none(), expected, [&] {
        if (answer.is_none())
            return memctl::Grant::none();
        const auto pair = answer.cast<py::tuple>();
        if (pair.size() != 2)
            throw py::type_error{expected};
        return memctl::Grant{memctl::ZoneId{pair[0].cast<std::uint16_t>()},
                             Frames{pair[1].cast<std::int64_t>()}};
    });
}

void rebalance(void* policy, memctl::Row* rows, std::uint32_t count, RealTime now) {
    const py::gil_scoped_acquire locked;
    PythonPolicy& self = python_self(policy);
    py::list domains;
    for (std::uint32_t i = 0; i < count; ++i)
        domains.append(self.view_of(static_cast<Domain&>(*rows[i].domain)));
    const py::object answer = self.call("rebalance", domains, ns(now));
    constexpr const char* expected = "rebalance must return a target in frames for each of its domains";
    const auto targets = self.answer(std::vector<std::int64_t>{}, expected, [&] {
        auto read = answer.cast<std::vector<std::int64_t>>();
        if (read.size() != count)
            throw py::type_error{expected};
        return read;
    });
    for (std::size_t i = 0; i < targets.size(); ++i)
        rows[i].target = Frames{targets[i]};
}

constexpr memctl::Hooks hooks{
    .create = create,
    .create_domain = [](void* memory) { ::new (memory) Domain{}; },
    .admit =
        [](void* policy, memctl::Domain& domain) {
            const py::gil_scoped_acquire locked;
            PythonPolicy& self = python_self(policy);
            const py::object answer = self.call("admit", self.view_of(static_cast<Domain&>(domain)));
            return self.answer(false, "admit must return True or False", [&] { return answer.cast<bool>(); });
        },
    .depart =
        [](void* policy, memctl::Domain& domain) {
            const py::gil_scoped_acquire locked;
            auto& own = static_cast<Domain&>(domain);
            python_self(policy).call("depart", python_self(policy).view_of(own));
            python_self(policy).forget(own);
        },
    .choose =
        [](void* policy, memctl::Domain& domain, Frames wanted) {
            const py::gil_scoped_acquire locked;
            PythonPolicy& self = python_self(policy);
            return read_grant(
                self, self.call("choose", self.view_of(static_cast<Domain&>(domain)), wanted.count()));
        },
    .rebalance = rebalance,
    .sample =
        [](void* policy, memctl::Domain& domain, Frames looked_at, Frames used, RealTime now) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("sample", python_self(policy).view_of(static_cast<Domain&>(domain)),
                                     looked_at.count(), used.count(), ns(now));
        },
    .reclaim =
        [](void* policy, memctl::Domain& domain, Frames over, Nanos late) {
            const py::gil_scoped_acquire locked;
            PythonPolicy& self = python_self(policy);
            const py::object answer =
                self.call("reclaim", self.view_of(static_cast<Domain&>(domain)), over.count(), late.count());
            return self.answer(Frames{}, "reclaim must return a number of frames",
                               [&] { return Frames{answer.cast<std::int64_t>()}; });
        },
    .tune =
        [](void* policy, memctl::Domain& domain) {
            const py::gil_scoped_acquire locked;
            python_self(policy).call("tune", python_self(policy).view_of(static_cast<Domain&>(domain)));
        },
};

} // namespace

std::shared_ptr<PythonPolicy> make_memory_policy(py::object object, std::string name,
                                                 std::uint32_t parameters) {
    return std::make_shared<PythonPolicy>(std::move(object), std::move(name), parameters,
                                          plugin::Kind::memory, sizeof(Domain), &hooks);
}

void add_memory_views(py::module_& module) {
    py::class_<MemoryView>(module, "MemoryHost")
        .def_readonly("frames", &MemoryView::frames)
        .def_property_readonly("zones", [](const MemoryView& view) {
            std::vector<std::pair<std::int64_t, std::int64_t>> zones;
            for (const memctl::Zone& zone : view.zones)
                zones.emplace_back(zone.frames.count(), zone.free.count());
            return zones;
        });
    py::class_<View<Domain>>(module, "MemoryDomain", py::dynamic_attr())
        .def_property_readonly("id", [](const View<Domain>& view) { return view.get().id.value(); })
        .def_property_readonly("weight", [](const View<Domain>& view) { return view.get().weight; })
        .def_property_readonly("least", [](const View<Domain>& view) { return view.get().least.count(); })
        .def_property_readonly("most", [](const View<Domain>& view) { return view.get().most.count(); })
        .def_property_readonly("has", [](const View<Domain>& view) { return view.get().has.count(); })
        .def_property_readonly("target", [](const View<Domain>& view) { return view.get().target.count(); })
        .def_property_readonly("missed", [](const View<Domain>& view) { return view.get().missed; });
}

} // namespace bulkhead::python
