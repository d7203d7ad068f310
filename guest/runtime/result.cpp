// Names of error numbers, taken from the list in <xen/errno.h>.
#include "guest/runtime/result.hpp"

namespace bulkhead::guest {
namespace {

struct Row {
    int number;
    std::string_view name;
};
constexpr Row rows[] = {
#define XEN_ERRNO(name, value) {value, #name},
#include <xen/errno.h>
};

} // namespace

std::string_view name(Error error) {
    for (const Row& row : rows)
        if (row.number == static_cast<int>(error))
            return row.name;
    return "E?";
}

} // namespace bulkhead::guest
