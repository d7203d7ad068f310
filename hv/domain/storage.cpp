#include "hv/domain/storage.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/mm/frame.hpp"

#include <new>

namespace bulkhead::hv {

namespace {

// A domain, and what other layers keep of it.
struct Home {
    Domain domain;
    Console console;
};

constexpr std::uint64_t pages = (sizeof(Home) + page_bytes - 1) / page_bytes;
static_assert(pages * page_bytes <= layout::domain_stride);

constexpr std::uint64_t address_of(std::uint32_t slot) {
    return layout::domains + slot * layout::domain_stride;
}

void return_pages(std::uint64_t base, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto frame = frame_behind(base + i * page_bytes);
        unmap_hypervisor(base + i * page_bytes, page_bytes);
        frame_table().free_for_hypervisor(frame);
    }
}

} // namespace

Result<Domain*> make_domain(std::uint32_t slot) {
    const auto base = address_of(slot);
    if (!reserve_hypervisor(base, pages * page_bytes))
        return fail(Error::no_memory);
    for (std::uint64_t i = 0; i < pages; ++i) {
        const auto frame = frame_table().allocate_for_hypervisor();
        if (!frame) {
            return_pages(base, i);
            return fail(frame.error());
        }
        map_hypervisor(base + i * page_bytes, frame->value() << page_shift, page_bytes, Access::read_write);
    }
    auto& home = *::new (reinterpret_cast<void*>(base)) Home{};
    home.domain.console = &home.console;
    return &home.domain;
}

void free_domain(Domain& domain) {
    const auto base = address_of(domain.sched.slot);
    reinterpret_cast<Home*>(base)->~Home();
    return_pages(base, pages);
}

} // namespace bulkhead::hv
