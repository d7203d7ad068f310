// A scheduler written in Python as the policy of a simulated machine: the hook calls go to an object of a
// class derived from bulkhead.Scheduler. Never used in ring 0, and never fast.
#pragma once

#include "sim/incumbent.hpp"

#include <pybind11/pybind11.h>

namespace bulkhead::python {

// Shared by the machine and the simulation that runs it.
class PythonPolicy;

// The policy that `scheduler` is, with so many effective parameter values. The machine must be built by the
// same thread right after, before another such policy is made.
[[nodiscard]] std::pair<sim::Policy, std::shared_ptr<PythonPolicy>>
make_python_policy(const pybind11::object& scheduler, std::string name, std::vector<std::int64_t> values);
// Throws the first exception that a hook ended with, if one did. To be called with the interpreter's lock
// held.
void rethrow_failure(PythonPolicy& policy);

void add_python_policies(pybind11::module_& module);

} // namespace bulkhead::python
