// Plug-in descriptors for Python. A file that is no usable plug-in raises ValueError with the reason.
#include "bindings/native/files.hpp"
#include "bindings/native/parts.hpp"
#include "bindings/native/plugin_file.hpp"

namespace bulkhead::python {
namespace {

pybind11::dict parameter_row(const ParameterText& parameter) {
    pybind11::dict row;
    row["name"] = parameter.name;
    row["unit"] = parameter.unit;
    row["help"] = parameter.help;
    row["initial"] = parameter.initial;
    row["least"] = parameter.least;
    row["most"] = parameter.most;
    return row;
}

pybind11::list parameter_rows(const std::vector<ParameterText>& parameters) {
    pybind11::list rows;
    for (const ParameterText& parameter : parameters)
        rows.append(parameter_row(parameter));
    return rows;
}

pybind11::dict plugin_row(const std::string& path) {
    const auto text = read_plugin(read_file(path));
    if (!text)
        throw pybind11::value_error{text.error()};
    pybind11::dict row;
    row["kind"] = static_cast<unsigned>(text->kind);
    row["name"] = text->name;
    row["summary"] = text->summary;
    row["good_at"] = text->good_at;
    row["bad_at"] = text->bad_at;
    row["source"] = text->source;
    row["traits"] = text->traits;
    row["parameters"] = parameter_rows(text->parameters);
    row["domain_parameters"] = parameter_rows(text->domain_parameters);
    return row;
}

} // namespace

void add_plugins(pybind11::module_& module) { module.def("read_plugin", plugin_row, pybind11::arg("path")); }

} // namespace bulkhead::python
