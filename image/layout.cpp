// See layout.hpp. The region's page tables lie inside of the region they map, so their number is found by
// repetition: it only grows, and it is bounded because the domain's memory is.
#include "image/layout.hpp"

namespace bulkhead::image {
namespace {

constexpr std::uint64_t region_unit = 4 << 20;    // the mapped region ends at a multiple, or with the memory
constexpr std::uint64_t region_spare = 512 << 10; // mapped and unused behind the last element

// Hands out consecutive frames.
class Cursor {
  public:
    explicit Cursor(std::uint64_t next) : next_{next} {}
    Frames take(std::uint64_t count) {
        const Frames taken{Pfn{next_}, count};
        next_ += count;
        return taken;
    }
    [[nodiscard]] std::uint64_t next() const { return next_; }

  private:
    std::uint64_t next_;
};

std::uint64_t p2m_pages(const Layout& layout) { return pages_for(layout.pages * layout.p2m_word()); }

// Elements a to f of the layout, then tables and stack given the number of tables. Returns the first frame
// after them.
std::uint64_t place_elements(Layout& layout, const Request& request, std::uint64_t tables) {
    Cursor cursor{layout.kernel.end().value()};
    if (layout.initrd_mapped)
        layout.initrd = cursor.take(pages_for(layout.initrd_bytes));
    if (!layout.p2m_apart) {
        layout.p2m = cursor.take(p2m_pages(layout));
        layout.p2m_address = layout.address(layout.p2m.first);
    }
    layout.start_info = cursor.take(1);
    layout.store = cursor.take(request.rings ? 1 : 0);
    layout.console = cursor.take(request.rings ? 1 : 0);
    layout.tables.frames = cursor.take(tables);
    layout.stack = cursor.take(1);
    return cursor.next();
}

// Pages of the region: `most` if the domain has no more for it, but never without the spare ones.
std::uint64_t region_pages(const Layout& layout, std::uint64_t elements_end, std::uint64_t most) {
    const auto end = elements_end * page_bytes + region_spare;
    const auto rounded = round_up(layout.base.value() + end, region_unit) - layout.base.value();
    return std::max(end / page_bytes, std::min(rounded / page_bytes, most));
}

// The region may end exactly at the top of the address space, where the address after it is 0. `most` pages
// may be in it.
bool place_region(Layout& layout, const Request& request, std::uint64_t most) {
    std::uint64_t tables = 1;
    for (;;) {
        const auto elements_end = place_elements(layout, request, tables);
        if (!guest_may_map(layout.base.value(), elements_end * page_bytes + region_spare, layout.pae))
            return false;
        layout.mapped_pages = region_pages(layout, elements_end, most);
        if (!guest_may_map(layout.base.value(), layout.mapped_pages * page_bytes, layout.pae))
            return false;
        auto set = size_tables(true, layout.base.value(), layout.mapped_pages, layout.pae ? 3 : 4);
        set.target = Pfn{0};
        set.frames.first = layout.tables.frames.first;
        layout.tables = set;
        if (set.frames.count == tables)
            return true;
        tables = set.frames.count;
    }
}

// A list that is apart has its own 512 GiB slots of the root, so that the two sets share only the root.
bool p2m_address_is_free(const Layout& layout, std::uint64_t begin, std::uint64_t bytes) {
    if (!guest_may_map(begin, bytes))
        return false;
    const auto slot = [](std::uint64_t address) { return address >> level_shift(4); };
    return slot(begin + bytes - 1) < slot(layout.base.value()) || slot(begin) > slot(layout.tables.last());
}

// What lies behind the region: an initrd that is not mapped, a list that is apart and its tables.
std::uint64_t place_behind(Layout& layout, const Kernel& kernel, std::uint64_t first) {
    Cursor cursor{first};
    if (layout.initrd_bytes != 0 && !layout.initrd_mapped)
        layout.initrd = cursor.take(pages_for(layout.initrd_bytes));
    if (layout.p2m_apart) {
        layout.p2m_address = GuestAddress{kernel.init_p2m->value()};
        layout.p2m = cursor.take(p2m_pages(layout));
        layout.p2m_tables = size_tables(false, layout.p2m_address.value(), layout.p2m.count);
        layout.p2m_tables.target = layout.p2m.first;
        layout.p2m_tables.frames = cursor.take(layout.p2m_tables.frames.count);
    }
    return cursor.next();
}

Layout begin_layout(const Kernel& kernel, const Request& request) {
    Layout layout;
    layout.pae = kernel.pae;
    layout.base = kernel.base;
    layout.pages = request.pages;
    layout.kernel = {Pfn{kernel.begin / page_bytes}, (kernel.end - kernel.begin) / page_bytes};
    layout.initrd_bytes = request.initrd_bytes;
    layout.initrd_mapped =
        request.initrd_bytes != 0 && (request.initrd_mapped || !kernel.notes.mod_start_pfn);
    layout.p2m_apart = kernel.init_p2m.has_value();
    return layout;
}

} // namespace

Pfn Layout::table(std::uint64_t index) const {
    return index < tables.frames.count ? tables.frames.at(index)
                                       : p2m_tables.frames.at(index - tables.frames.count);
}

std::expected<Layout, LayoutError> plan(const Kernel& kernel, const Request& request) {
    if (request.pages > max_domain_bytes / page_bytes)
        return std::unexpected(LayoutError{.error = Error::too_much_memory});
    const LayoutError too_little{.error = Error::too_little_memory};
    if (request.pages == 0 || request.initrd_bytes > request.pages * page_bytes)
        return std::unexpected(too_little);
    Layout layout = begin_layout(kernel, request);
    const auto behind = place_behind(layout, kernel, 0);
    if (!place_region(layout, request, request.pages - std::min(behind, request.pages)))
        return std::unexpected(LayoutError{.error = Error::bad_addresses});
    if (layout.p2m_apart &&
        !p2m_address_is_free(layout, layout.p2m_address.value(), layout.p2m.count * page_bytes))
        return std::unexpected(LayoutError{.error = Error::bad_p2m_address});
    layout.frames_used = place_behind(layout, kernel, layout.mapped_pages);
    if (layout.frames_used > request.pages)
        return std::unexpected(
            LayoutError{.error = Error::too_little_memory, .needed_pages = layout.frames_used});
    return layout;
}

} // namespace bulkhead::image
