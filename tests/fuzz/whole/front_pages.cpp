#include "tests/fuzz/whole/front_pages.hpp"

#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"

#include <algorithm>
#include <cstring>

extern "C" {
#include <xen/grant_table.h>
}

namespace bulkhead::hv::whole {

namespace {
grant_entry_v1_t& entry_of(const Domain& domain, std::uint32_t page) {
    return machine::frame_as<grant_entry_v1_t>(domain.grants.frames[0])[FrontPages::ref(page)];
}
} // namespace

FrontPages::FrontPages(const Domain& domain) : pages_(domain.memory.frames.count) {
    for (Mfn mfn{domain.memory.frames.first}; mfn != Mfn{}; mfn = Mfn{frame_table().at(mfn).next})
        if (const auto page = machine::get_m2p(mfn); page < pages_.size())
            pages_[page].mfn = mfn;
    for (std::uint32_t i = 0; i < count(); ++i)
        std::memcpy(pages_[i].copy.data(), bytes(i), page_bytes);
}

std::byte* FrontPages::bytes(std::uint32_t page) const {
    return machine::frame_as<std::byte>(pages_[page].mfn);
}

std::uint32_t FrontPages::find_free() const {
    for (auto page = first_data; page < list(); ++page)
        if (!pages_[page].lent)
            return page;
    return 0;
}

void FrontPages::fill(std::uint32_t page, std::uint32_t offset, const void* from, std::uint32_t count) {
    std::memcpy(bytes(page) + offset, from, count);
    std::memcpy(pages_[page].copy.data() + offset, from, count);
}

void FrontPages::lend(const Domain& domain, std::uint32_t page, std::uint32_t first, std::uint32_t end) {
    auto& kept = pages_[page];
    kept.lent = true;
    kept.first = first;
    kept.end = end;
    const bool writable = first != end;
    entry_of(domain, page) = {static_cast<std::uint16_t>(GTF_permit_access | (writable ? 0 : GTF_readonly)),
                              0, static_cast<std::uint32_t>(kept.mfn.value())};
}

bool FrontPages::take_back(const Domain& domain, std::uint32_t page) {
    auto& kept = pages_[page];
    auto& entry = entry_of(domain, page);
    const bool is_used = (entry.flags & (GTF_reading | GTF_writing)) != 0;
    entry = {};
    std::memcpy(kept.copy.data() + kept.first, bytes(page) + kept.first, kept.end - kept.first);
    kept.lent = false;
    kept.first = kept.end = 0;
    return !is_used;
}

std::string FrontPages::problem() const {
    for (std::uint32_t i = 0; i < rx_ring(); ++i) {
        const auto& kept = pages_[i];
        const auto* const now = bytes(i);
        const auto* const then = kept.copy.data();
        if (std::memcmp(now, then, kept.first) != 0 ||
            std::memcmp(now + kept.end, then + kept.end, page_bytes - kept.end) != 0)
            return "page " + std::to_string(i) + " has changed although it was not lent for that";
    }
    return {};
}

} // namespace bulkhead::hv::whole
