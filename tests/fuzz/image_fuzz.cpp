// Fuzzes image/ with whole files: whatever is accepted must have a layout whose parts do not overlap and
// whose page tables map exactly the promised frames, page tables never writable.
#include "image/fill.hpp"

#include <cstdlib>
#include <vector>

namespace {

using namespace bulkhead;
using namespace bulkhead::image;

constexpr std::uint64_t most_frames = 4096; // larger plans are made, but not filled

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check_order(const Layout& layout) {
    std::uint64_t next = layout.kernel.end().value();
    for (const Frames* part : {&layout.initrd, &layout.p2m, &layout.start_info, &layout.store,
                               &layout.console, &layout.tables.frames, &layout.stack}) {
        const bool outside = part->first.value() >= layout.mapped_pages;
        if (part->count == 0 || outside)
            continue;
        require(part->first.value() == next);
        next = part->end().value();
    }
    require(next + (512 << 10) / page_bytes <= layout.mapped_pages);
    require(layout.frames_used <= layout.pages);
}

// Counts what each entry points to, without filling memory.
void check_tables(const Layout& layout) {
    std::uint64_t leaves = 0, tables = 0;
    for (std::uint64_t index = 0; index < layout.table_count(); ++index)
        for (unsigned slot = 0; slot < 512; ++slot) {
            const auto target = table_entry_target(layout, index, slot);
            if (!target)
                continue;
            require(target->pfn.value() < layout.frames_used);
            // A writable leaf of a table would be counted as one entry too many.
            const bool to_table = layout.is_table(target->pfn) && (target->flags & entry_writable);
            ++(to_table ? tables : leaves);
        }
    require(tables == layout.table_count() - 1);
    require(leaves == layout.mapped_pages + (layout.p2m_apart ? layout.p2m.count : 0));
}

void fill_all(const Kernel& kernel, const Layout& layout) {
    const auto info = make_start_info(layout, {.command_line = "fuzz"});
    require(info.has_value());
    const std::vector<std::byte> initrd(layout.initrd_bytes);
    const Contents contents{kernel, layout, initrd, *info};
    alignas(8) std::array<std::byte, page_bytes> page;
    const auto same = [](Pfn pfn) { return Mfn{pfn.value()}; };
    for (std::uint64_t pfn = 0; pfn < layout.frames_used; ++pfn)
        fill_frame(contents, Pfn{pfn}, same, page);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2)
        return 0;
    const Request request{.pages = std::uint64_t{data[0]} << 6,
                          .initrd_bytes = std::uint64_t{data[1] & 0xfeU} << 9,
                          .rings = true,
                          .initrd_mapped = (data[1] & 1) != 0};
    // A copy of the exact size, so that reading past the end is seen.
    const std::vector<std::uint8_t> copy(data + 2, data + size);
    const auto kernel = read_kernel(std::as_bytes(std::span{copy}));
    if (!kernel)
        return 0;
    const auto layout = plan(*kernel, request);
    if (!layout || layout->frames_used > most_frames)
        return 0;
    check_order(*layout);
    check_tables(*layout);
    fill_all(*kernel, *layout);
    return 0;
}
