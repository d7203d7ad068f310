// Constants, enums and the event table of abi/, as Python values.
#include "abi/capture.hpp"
#include "abi/control.hpp"
#include "abi/landmark.hpp"
#include "abi/manifest.hpp"
#include "abi/plugin.hpp"
#include "abi/promise.hpp"
#include "abi/steering.hpp"
#include "abi/trace.hpp"
#include "bindings/native/enum_names.hpp"
#include "bindings/native/parts.hpp"
#include "guest/runtime/mark.hpp"
#include "memctl/contract.hpp"
#include "ringctl/contract.hpp"
#include "sched/contract.hpp"

namespace bulkhead::python {
namespace {

template<class E>
pybind11::dict enum_dict() {
    pybind11::dict values;
    for (const auto& [name, value] : enum_table<E>())
        values[pybind11::str(name)] = value;
    return values;
}

pybind11::dict enums() {
    pybind11::dict all;
    all["manifest.TimeMode"] = enum_dict<manifest::TimeMode>();
    all["manifest.OnCrash"] = enum_dict<manifest::OnCrash>();
    all["manifest.Guard"] = enum_dict<manifest::Guard>();
    all["manifest.Action"] = enum_dict<manifest::Action>();
    all["landmark.State"] = enum_dict<landmark::State>();
    all["landmark.Exit"] = enum_dict<landmark::Exit>();
    all["landmark.Account"] = enum_dict<landmark::Account>();
    all["landmark.Shutdown"] = enum_dict<landmark::Shutdown>();
    all["landmark.SectionKind"] = enum_dict<landmark::SectionKind>();
    all["guest.Mark"] = enum_dict<guest::Mark>();
    all["plugin.Kind"] = enum_dict<plugin::Kind>();
    all["plugin.Fault"] = enum_dict<plugin::Fault>();
    all["plugin.Trait"] = enum_dict<plugin::Trait>();
    all["sched.Stop"] = enum_dict<sched::Stop>();
    all["trace.Event"] = enum_dict<trace::Event>();
    all["trace.Group"] = enum_dict<trace::Group>();
    return all;
}

pybind11::dict hooks_of(plugin::Kind kind) {
    switch (kind) {
    case plugin::Kind::scheduler:
        return enum_dict<sched::Hook>();
    case plugin::Kind::memory:
        return enum_dict<memctl::Hook>();
    case plugin::Kind::ring:
        return enum_dict<ringctl::Hook>();
    }
    return {};
}

// The hooks of each kind of policy, by the kind's name.
pybind11::dict hooks() {
    pybind11::dict all;
    for (const auto& [name, value] : enum_table<plugin::Kind>())
        all[pybind11::str(name)] = hooks_of(static_cast<plugin::Kind>(value));
    return all;
}

// The reasons after which a vCPU still wants to run.
pybind11::list still_runnable() {
    pybind11::list reasons;
    for (const auto& [name, value] : enum_table<sched::Stop>())
        if (sched::still_runnable(static_cast<sched::Stop>(value)))
            reasons.append(value);
    return reasons;
}

pybind11::list events() {
    pybind11::list rows;
    for (const trace::Description& row : trace::descriptions) {
        pybind11::dict event;
        event["number"] = static_cast<unsigned>(row.event);
        event["group"] = static_cast<unsigned>(row.group);
        event["name"] = row.name;
        event["a"] = row.a;
        event["b"] = row.b;
        event["help"] = row.help;
        rows.append(event);
    }
    return rows;
}

pybind11::dict constants() {
    pybind11::dict all;
    all["manifest.magic"] = manifest::magic;
    all["manifest.version"] = manifest::version;
    all["manifest.name_bytes"] = manifest::name_bytes;
    all["control.most_released"] = control::most_released;
    all["landmark.physical_address"] = landmark::physical_address;
    all["landmark.magic"] = landmark::magic;
    all["landmark.version"] = landmark::version;
    all["landmark.max_pcpus"] = landmark::max_pcpus;
    all["steering.physical_address"] = steering::physical_address;
    all["steering.max_orders"] = steering::max_orders;
    all["steering.doorbell"] = steering::doorbell;
    all["steering.trace_doorbell"] = steering::trace_doorbell;
    all["capture.physical_address"] = capture::physical_address;
    all["capture.doorbell"] = capture::doorbell;
    all["plugin.abi_version"] = plugin::abi_version;
    all["plugin.max_parameters"] = plugin::max_parameters;
    all["plugin.max_domain_parameters"] = plugin::max_domain_parameters;
    all["trace.schema_version"] = trace::schema_version;
    all["trace.no_domain"] = trace::no_domain;
    all["sched.default_weight"] = sched::default_weight;
    all["page_bytes"] = page_bytes;
    return all;
}

} // namespace

void add_tables(pybind11::module_& module) {
    module.attr("constants") = constants();
    module.attr("enums") = enums();
    module.attr("hooks") = hooks();
    module.attr("still_runnable") = still_runnable();
    module.attr("events") = events();
    module.attr("compiler") = __VERSION__;
    module.def("parameter_key", &plugin::key_of, pybind11::arg("name"), pybind11::arg("unit"),
               "What a parameter is, whichever policy has it (abi/plugin.hpp).");
    module.def("promised_frames", &promise::whole, pybind11::arg("frames"), pybind11::arg("vcpus"),
               "What the hypervisor sets aside for a new domain, at most (abi/promise.hpp).");
}

} // namespace bulkhead::python
