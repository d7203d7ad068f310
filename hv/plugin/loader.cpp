#include "hv/plugin/loader.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"

namespace bulkhead::hv {

namespace {

static_assert(page_bytes == plugin::segment_page);
std::uint64_t next_base = layout::plugins;

void map_segment(std::byte* image, std::uint64_t base, const plugin::Segment& segment, Access access) {
    const auto physical = machine::frame_of(image + segment.address).value() << page_shift;
    const auto bytes = (segment.contents.size() + page_bytes - 1) & ~(page_bytes - 1);
    map_hypervisor(base + segment.address, physical, bytes, access);
}

// Filled through the direct map, then mapped where it will run.
LoadedPlugin place(const plugin::Object& object) {
    const auto first = frame_table().allocate_contiguous(object.image_bytes() / page_bytes);
    if (!first)
        machine::out_of_memory("memory is too short for the policies: give the machine more (--mem)");
    auto* image = machine::frame_as<std::byte>(*first);
    const auto base = next_base;
    object.place({image, object.image_bytes()}, base);
    map_segment(image, base, object.constants(), Access::read);
    map_segment(image, base, object.code(), Access::execute);
    map_segment(image, base, object.relocated(), Access::read);
    next_base += (object.image_bytes() + (2 << 20)) & ~std::uint64_t{(1 << 20) - 1};
    return {reinterpret_cast<const plugin::Descriptor*>(base + object.descriptor()),
            {base + object.code().address, base + object.code().end()}};
}

} // namespace

std::expected<LoadedPlugin, plugin::Refusal> load_plugin(std::span<const std::byte> file, plugin::Kind kind) {
    const auto judged = plugin::read_file(file, kind);
    if (!judged)
        return std::unexpected{judged.error()};
    return place(judged->object);
}

} // namespace bulkhead::hv
