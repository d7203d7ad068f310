// A machine to simulate as Python describes it: rows of plain values, and what the simulator makes of them.
#pragma once

#include "bindings/native/python_policy.hpp"
#include "sim/world.hpp"

#include <map>
#include <memory>
#include <optional>
#include <pybind11/stl.h>
#include <string>
#include <tuple>
#include <vector>

namespace bulkhead::python {

struct GuestRow {
    std::string name, model;
    sim::ModelOptions options;
    std::uint32_t weight, cap, vcpus;
    bool start_paused;
    std::vector<std::int64_t> sched_values;
    bool absent;
    std::int64_t frames, first;
    std::vector<std::int64_t> memory_values, ring_values;
    std::int64_t start_ns;
    std::vector<std::uint64_t> affinity, preferred; // of each vCPU
    std::uint32_t release, group;
    std::string model_file;                  // that has the model; empty: the simulator's own
    std::vector<std::uint64_t> disk_sectors; // of each of its disks
};

// Parameters that change: the kind of their policy, and the new value of each by its key (plugin::key_of).
using ChangesRow = std::tuple<std::uint32_t, std::vector<std::pair<std::uint64_t, std::int64_t>>>;

// When, what, to whom, with what argument, and which parameters change.
using TimelineRow = std::tuple<std::int64_t, std::uint32_t, std::uint32_t, std::int64_t, ChangesRow>;

// The kind, path, effective values; a scheduler's costs in instructions.
using SuccessorRow =
    std::tuple<std::uint32_t, std::string, std::vector<std::int64_t>, std::map<std::string, std::int64_t>>;

// A model's parameters that are given.
using Values = std::map<std::string, std::int64_t>;

struct Settings {
    std::uint32_t pcpus;
    std::uint64_t seed;
    std::uint32_t trace_groups;
    std::uint64_t trace_records;
    std::int64_t instruction_ns;
    std::int64_t duration_ns;
    std::uint32_t dom0_weight, dom0_share;
    std::uint64_t dom0_affinity;
    std::vector<std::int64_t> dom0_sched_values;
    bool end_when_idle;
    std::map<std::string, std::int64_t> costs;
    std::int64_t frames; // for guests
    std::int64_t mib;    // of the machine
    Values disk, paging;
};

struct Opened {
    sim::Policy policy;
    std::shared_ptr<PythonPolicy> python; // if it is one
};

// A policy for one of the other places: the path of a plug-in, or an object with its name; and parameters.
using PolicyRow = std::tuple<pybind11::object, std::string, std::vector<std::int64_t>>;

// All of these throw pybind11::value_error for what cannot be. No policy: the fallback.
Opened open_scheduler(const pybind11::object& policy, const std::string& name,
                      const std::vector<std::int64_t>& values);
std::optional<Opened> open_other(plugin::Kind kind, const std::optional<PolicyRow>& row);
std::vector<sim::Successor> open_all(const std::vector<SuccessorRow>& successors, Nanos instruction);
std::vector<manifest::TimelineEntry> read_timeline(const std::vector<TimelineRow>& rows);
sim::Plan make_plan(const Settings& settings, const std::vector<GuestRow>& guests,
                    const std::vector<TimelineRow>& timeline, const std::vector<SuccessorRow>& successors);

} // namespace bulkhead::python
