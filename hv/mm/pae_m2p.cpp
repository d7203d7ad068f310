#include "hv/mm/pae_m2p.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::hv::pae {

namespace {

constexpr std::uint64_t words_per_page = page_bytes / sizeof(std::uint32_t);
constexpr std::uint64_t no_execute = std::uint64_t{1} << 63;
// Neither may write here, and only ring 1 may read.
constexpr std::uint64_t table_rights = entry::present | entry::accessed,
                        leaf_rights = entry::present | entry::accessed | no_execute;
constexpr std::uint64_t most_pages = (m2p_end - hole) / page_bytes;

std::uint64_t pages_wanted() {
    return std::min((frame_table().size() + words_per_page - 1) / words_per_page, most_pages);
}

std::uint64_t& leaf_of(std::uint64_t page) {
    return machine::frame_as<std::uint64_t>(the_m2p.l1s[page / entry::per_table])[page % entry::per_table];
}

Result<> add_page() {
    auto& l1 = the_m2p.l1s[the_m2p.pages / entry::per_table];
    if (l1 == Mfn{}) {
        const auto fresh = frame_table().allocate_for_hypervisor();
        BULKHEAD_TRY(fresh);
        l1 = *fresh;
    }
    const auto page = frame_table().allocate_for_hypervisor();
    BULKHEAD_TRY(page);
    std::memset(machine::frame_data(*page), 0xff, page_bytes);
    leaf_of(the_m2p.pages) = page->value() << page_shift | leaf_rights;
    ++the_m2p.pages;
    return {};
}

} // namespace

Result<> prepare_m2p() {
    while (the_m2p.pages < pages_wanted()) {
        BULKHEAD_TRY(add_page());
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

[[gnu::noinline, gnu::cold]] void set_m2p(Mfn mfn, std::uint64_t pfn) {
    const auto page = mfn.value() / words_per_page;
    if (page >= the_m2p.pages)
        return;
    auto* words = machine::frame_as<std::uint32_t>(entry::frame(leaf_of(page)));
    __atomic_store_n(words + mfn.value() % words_per_page, static_cast<std::uint32_t>(pfn), __ATOMIC_RELAXED);
}

std::uint64_t hole_entry(unsigned index) {
    const auto place = index - first_hole_slot;
    if (place >= the_m2p.l1s.size() || the_m2p.l1s[place] == Mfn{})
        return 0;
    return the_m2p.l1s[place].value() << page_shift | table_rights;
}

void install_hole(std::uint64_t* l2) {
    for (unsigned i = first_hole_slot; i < entry::per_table; ++i)
        l2[i] = hole_entry(i);
}

} // namespace bulkhead::hv::pae
