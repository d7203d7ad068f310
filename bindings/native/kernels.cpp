// Kernels for Python: would this file start as a guest, and what does a section of it hold? The same reading
// and planning as domain 0's builder does, before anything is booted.
#include "bindings/native/files.hpp"
#include "bindings/native/parts.hpp"
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

// Contents of a section of an ELF executable; empty if it has none of that name.
pybind11::bytes read_section(const std::string& path, const std::string& wanted) {
    const auto file = read_file(path);
    const auto elf = image::Elf::open(file);
    if (!elf)
        throw pybind11::value_error{std::string{image::message(elf.error())}};
    for (unsigned i = 0; i < elf->section_headers(); ++i) {
        const auto section = elf->section_header(i);
        const auto contents = elf->contents(section);
        if (elf->name(section) == wanted && contents)
            return pybind11::bytes{reinterpret_cast<const char*>(contents->data()), contents->size()};
    }
    return pybind11::bytes{};
}

} // namespace

void add_kernels(pybind11::module_& module) {
    module.def("check_kernel", check_kernel, pybind11::arg("path"), pybind11::arg("memory_bytes"),
               pybind11::arg("initrd_bytes"));
    module.def("read_section", read_section, pybind11::arg("path"), pybind11::arg("name"));
}

} // namespace bulkhead::python
