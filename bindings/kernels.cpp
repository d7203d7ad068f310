// Would this file start as a guest? The same reading and planning as domain 0's builder does, before anything
// is booted.
#include "bindings/files.hpp"
#include "bindings/parts.hpp"
#include "image/layout.hpp"

namespace bulkhead::python {
namespace {

// Raises ValueError with the builder's own message, and for too little memory with what it needs.
void check_kernel(const std::string& path, std::uint64_t memory_bytes, std::uint64_t initrd_bytes) {
    const auto file = read_file(path);
    const auto kernel = image::read_kernel(file);
    if (!kernel)
        throw pybind11::value_error{std::string{image::message(kernel.error())}};
    const image::Request request{memory_bytes / page_bytes, initrd_bytes, true, false};
    const auto plan = image::plan(*kernel, request);
    if (plan)
        return;
    std::string text{image::message(plan.error().error)};
    if (plan.error().needed_pages != 0)
        text += "; give it at least mem=" +
                std::to_string((plan.error().needed_pages * page_bytes + (1 << 20) - 1) >> 20) + "M";
    throw pybind11::value_error{text};
}

} // namespace

void add_kernels(pybind11::module_& module) {
    module.def("check_kernel", check_kernel, pybind11::arg("path"), pybind11::arg("memory_bytes"),
               pybind11::arg("initrd_bytes"));
}

} // namespace bulkhead::python
