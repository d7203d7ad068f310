// The parts of the Python module; each adds its functions and constants. The module never describes a
// structure of abi/ a second time: layouts, enum names and tables come from the headers.
#pragma once

#include <pybind11/pybind11.h>

namespace bulkhead::python {

void add_layouts(pybind11::module_& module);
// numpy types of the manifest, the landmark and the trace, by name.
[[nodiscard]] const pybind11::dict& layouts();
void add_tables(pybind11::module_& module);     // constants, enums, the trace's event table
void add_plugins(pybind11::module_& module);    // reading a plug-in's descriptor
void add_kernels(pybind11::module_& module);    // checking a guest kernel
void add_simulation(pybind11::module_& module); // runs of the simulator

} // namespace bulkhead::python
