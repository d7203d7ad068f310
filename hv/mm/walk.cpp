#include "hv/mm/walk.hpp"

#include "hv/base/machine.hpp"

namespace bulkhead::hv {

Walk walk(Mfn root, GuestAddress at) {
    Walk result;
    if (!is_guest_address(at))
        return result;
    auto table = root;
    for (unsigned level = 4; level >= 1; --level) {
        if (table == Mfn{} || frame_table().find(table) == nullptr)
            return result;
        const auto index = table_index(level, at);
        if (level == 1) {
            result.l1 = table;
            result.l1_index = index;
        }
        const auto e = machine::frame_as<const std::uint64_t>(table)[index];
        result.entries[4 - level] = e;
        if (!entry::is_present(e))
            return result;
        table = entry::frame(e);
    }
    result.leaf = result.entries[3];
    result.ok = true;
    return result;
}

} // namespace bulkhead::hv
