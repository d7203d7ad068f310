// Memory policies written in Python: memctl/contract.hpp, hook for hook.
#include "bindings/native/python_policy.hpp"
#include "memctl/contract.hpp"

#include <pybind11/stl.h>

namespace bulkhead::python {

namespace py = pybind11;
using memctl::Frames;

namespace {

using Domain = Seen<memctl::Domain>;

constexpr const char* balloon_names[] = {"settled", "moving", "stuck", "absent"}; // by memctl::Balloon

std::size_t balloon_of(const Domain& domain) { return static_cast<std::size_t>(domain.balloon); }

// The machine's memory.
class MemoryView final : public AnyView {
  public:
    explicit MemoryView(const memctl::Machine& machine)
        : zones_{*machine.zones}, count_{machine.zone_count}, frames_{machine.frames} {}
    [[nodiscard]] std::span<const memctl::Zone> zones() const { return {&zones_.get(), count_}; }
    [[nodiscard]] Frames frames() const { return frames_; }
    void empty() override { zones_.empty(); }

  private:
    View<const memctl::Zone> zones_; // the first of them
    std::uint32_t count_;
    Frames frames_;
};

void create(void* policy, const plugin::Host& host, const memctl::Machine& machine, const std::int64_t*) {
    const py::gil_scoped_acquire locked;
    PythonPolicy& self = adopt(policy, plugin::Kind::memory);
    self.call("_start", self.keep(HostView{host}), self.keep(MemoryView{machine}));
}

// True or False, numpy's as well: what Python only takes for true or false is a forgotten answer.
bool truth(const py::handle& given) {
    py::detail::make_caster<bool> read;
    if (!read.load(given, false))
        throw py::cast_error{};
    return py::detail::cast_op<bool>(read);
}

memctl::Grant read_grant(PythonPolicy& policy, const py::object& answer) {
    constexpr const char* expected = "choose must return None, or a zone and a number of frames";
    return policy.answer(memctl::Grant::none(), answer, expected, [&] {
        if (answer.is_none())
            return memctl::Grant::none();
        const auto [zone, frames] = pair_of(answer);
        static_cast<void>(whole_number(zone));
        return memctl::Grant{memctl::ZoneId{zone.cast<std::uint16_t>()}, Frames{whole_number(frames)}};
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
    const auto targets = self.answer(std::vector<std::int64_t>{}, answer, expected, [&] {
        if (!py::isinstance<py::sequence>(answer))
            throw py::cast_error{};
        std::vector<std::int64_t> read;
        for (const py::handle target : answer.cast<py::sequence>())
            read.push_back(whole_number(target));
        if (read.size() != count)
            throw py::cast_error{};
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
            return self.answer(false, answer, "admit must return True or False",
                               [&] { return truth(answer); });
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
            return self.answer(Frames{}, answer, "reclaim must return a number of frames",
                               [&] { return Frames{whole_number(answer)}; });
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
    py::class_<MemoryView>(module, "MemoryHost", "The memory that there is for domains, in frames of 4 KiB.")
        .def_property_readonly(
            "frames", [](const MemoryView& view) { return view.frames().count(); }, "of all zones")
        .def_property_readonly(
            "zones",
            [](const MemoryView& view) {
                std::vector<std::pair<std::int64_t, std::int64_t>> zones;
                for (const memctl::Zone& zone : view.zones())
                    zones.emplace_back(zone.frames.count(), zone.free.count());
                return zones;
            },
            "(frames, free) of each zone, as it is now");
    py::class_<View<Domain>>(module, "MemoryDomain",
                             "A domain, as a memory policy sees it, from admit to depart; in frames of 4 "
                             "KiB. It takes any other attribute that the policy wants to keep with it.",
                             py::dynamic_attr())
        .def_property_readonly(
            "id", [](const View<Domain>& view) { return view.get().id.value(); }, "its number")
        .def_property_readonly("values", values_of<Domain>, "effective parameters of the domain, by name")
        .def_property_readonly(
            "weight", [](const View<Domain>& view) { return view.get().weight; },
            "relative share, 1 to 65535")
        .def_property_readonly(
            "least", [](const View<Domain>& view) { return view.get().least.count(); },
            "frames it cannot live without, at least 1")
        .def_property_readonly(
            "most", [](const View<Domain>& view) { return view.get().most.count(); }, "frames; its size")
        .def_property_readonly(
            "has", [](const View<Domain>& view) { return view.get().has.count(); }, "frames")
        .def_property_readonly(
            "target", [](const View<Domain>& view) { return view.get().target.count(); },
            "frames that it is to have; 0 until its first rebalance")
        .def_property_readonly(
            "ran", [](const View<Domain>& view) { return view.get().ran.count(); },
            "ns that its vCPUs have run in all, without the hypervisor's work")
        .def_property_readonly(
            "waited", [](const View<Domain>& view) { return view.get().waited.count(); },
            "ns that they have waited for a pCPU")
        .def_property_readonly(
            "missed", [](const View<Domain>& view) { return view.get().missed; },
            "times that it wanted a frame it did not have, since the last rebalance")
        .def_property_readonly(
            "stalled", [](const View<Domain>& view) { return view.get().memory_pressure.stalled.count(); },
            "ns that its guest says it waited for pages it had paged out, since the last rebalance")
        .def_property_readonly(
            "refaults", [](const View<Domain>& view) { return view.get().memory_pressure.refaults; },
            "such pages, since the last rebalance")
        .def_property_readonly(
            "is_measured", [](const View<Domain>& view) { return view.get().memory_pressure.is_measured; },
            "whether the guest has ever reported faults; else the two before are unknown")
        .def_property_readonly(
            "balloon", [](const View<Domain>& view) { return balloon_names[balloon_of(view.get())]; },
            "how the balloon follows the target: settled, moving, stuck or absent");
}

} // namespace bulkhead::python
