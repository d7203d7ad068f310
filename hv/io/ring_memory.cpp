#include "hv/io/ring_memory.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/base/machine.hpp"

#include <array>
#include <utility>

namespace bulkhead::hv {

namespace {

// The ring whose pages are being taken: the call that makes it is made again until it is done.
struct Making {
    const Domain* domain = nullptr;
    std::uint64_t base = 0;
    std::uint64_t pages = 0;
};
constinit Making making{};

} // namespace

void return_ring_memory(Domain& domain, std::uint64_t base, std::uint64_t pages) {
    std::array<Mfn, most_ring_pages> frames;
    for (std::uint64_t i = 0; i < pages; ++i)
        frames[i] = frame_behind(base + i * page_bytes);
    unmap_hypervisor(base, pages * page_bytes);
    for (std::uint64_t i = 0; i < pages; ++i)
        domain.free_metadata(machine::frame_data(frames[i]));
}

Result<> take_ring_memory(Domain& domain, std::uint64_t base, std::uint64_t pages) {
    if (making.domain != &domain || making.base != base)
        making = {.domain = &domain, .base = base, .pages = 0};
    if (!reserve_hypervisor(base, pages * page_bytes))
        return fail(Error::no_memory);
    while (making.pages < pages) {
        const auto page = domain.allocate_metadata();
        if (!page) {
            return_ring_memory(domain, base, std::exchange(making, {}).pages);
            return fail(page.error());
        }
        map_hypervisor(base + making.pages++ * page_bytes, machine::frame_of(*page).value() << page_shift,
                       page_bytes, Access::read_write);
        if (machine::should_preempt() || making.pages == pages)
            return fail(Error::restart); // after the last one always: the caller's own work is as long again
    }
    making = {};
    return {};
}

} // namespace bulkhead::hv
