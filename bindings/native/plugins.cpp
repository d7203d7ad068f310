// Plug-in descriptors for Python. A file that is not a usable policy raises ValueError with the reason.
#include "bindings/native/files.hpp"
#include "bindings/native/parts.hpp"
#include "plugin/file.hpp"

#include <span>

namespace bulkhead::python {
namespace {

pybind11::dict parameter_row(const plugin::ParameterText& parameter) {
    pybind11::dict row;
    row["name"] = parameter.name;
    row["unit"] = parameter.unit;
    row["help"] = parameter.help;
    row["initial"] = parameter.initial;
    row["least"] = parameter.least;
    row["most"] = parameter.most;
    return row;
}

pybind11::list parameter_rows(std::span<const plugin::ParameterText> parameters) {
    pybind11::list rows;
    for (const plugin::ParameterText& parameter : parameters)
        rows.append(parameter_row(parameter));
    return rows;
}

// `kind` is a number of plugin::Kind, or 0 for any.
pybind11::dict plugin_row(const std::string& path, std::uint32_t kind) {
    const auto bytes = read_file(path);
    const auto file = plugin::read_file(bytes, kind == 0 ? std::nullopt : std::optional{plugin::Kind{kind}});
    if (!file)
        throw pybind11::value_error{std::string{plugin::sentence(file.error()).view()}};
    pybind11::dict row;
    row["kind"] = static_cast<unsigned>(file->kind);
    row["name"] = file->name;
    row["summary"] = file->summary;
    row["good_at"] = file->good_at;
    row["bad_at"] = file->bad_at;
    row["source"] = file->source;
    row["traits"] = file->traits;
    row["parameters"] = parameter_rows(file->parameters.rows());
    row["domain_parameters"] = parameter_rows(file->domain_parameters.rows());
    return row;
}

} // namespace

void add_plugins(pybind11::module_& module) {
    module.def("read_plugin", plugin_row, pybind11::arg("path"), pybind11::arg("kind") = 0);
}

} // namespace bulkhead::python
