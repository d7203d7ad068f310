// Any bytes may be given as a policy's file: reading them ends in a sentence, or in a file that can be placed
// and relocated within its image.
#include "tests/policy_files/placement.hpp"

#include <cstdlib>

using namespace bulkhead;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span{data, size});
    const auto file = plugin::read_file(bytes);
    if (file ? !test::is_placed_well(bytes, *file) : plugin::sentence(file.error()).view().empty())
        std::abort();
    return 0;
}
