// `bulkhead._core`: what Python needs from the C++ headers, and nothing that Python can do itself.
#include "bindings/native/parts.hpp"

PYBIND11_MODULE(_core, module) {
    module.doc() = "Layouts, tables and checks taken from Bulkhead's own C++ headers.";
    bulkhead::python::add_layouts(module);
    bulkhead::python::add_tables(module);
    bulkhead::python::add_plugins(module);
    bulkhead::python::add_kernels(module);
    bulkhead::python::add_simulation(module);
}
