// Any bytes may be given as a plug-in: reading them ends with a description or a message, and touches nothing
// else.
#include "bindings/native/plugin_file.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = bulkhead::python::read_plugin(std::as_bytes(std::span{data, size}));
    if (text ? text->name.empty() : text.error().empty())
        std::abort();
    return 0;
}
