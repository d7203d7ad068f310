// See features.hpp.
#include "image/features.hpp"

#include "image/bytes.hpp"

#include <optional>
#include <xen/features.h>

namespace bulkhead::image {
namespace {

struct Name {
    std::string_view name;
    unsigned bit;
};

constexpr std::array names{
    Name{"writable_page_tables", XENFEAT_writable_page_tables},
    Name{"writable_descriptor_tables", XENFEAT_writable_descriptor_tables},
    Name{"auto_translated_physmap", XENFEAT_auto_translated_physmap},
    Name{"supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel},
    Name{"pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb},
    Name{"hvm_callback_vector", XENFEAT_hvm_callback_vector},
    Name{"dom0", XENFEAT_dom0},
};

std::optional<std::uint64_t> bit_of(std::string_view name) {
    for (const auto& known : names)
        if (known.name == name)
            return std::uint64_t{1} << known.bit;
    return std::nullopt;
}

} // namespace

std::expected<Features, Error> parse_features(std::string_view list) {
    Features features;
    while (!list.empty()) {
        auto name = before(list, '|');
        list.remove_prefix(name.size() < list.size() ? name.size() + 1 : name.size());
        const bool required = name.starts_with('!');
        if (required)
            name.remove_prefix(1);
        const auto bit = bit_of(name);
        if (!bit && required)
            return std::unexpected(Error::impossible_feature);
        features.supported |= bit.value_or(0);
        features.required |= required ? *bit : 0;
    }
    return features;
}

} // namespace bulkhead::image
