#include "hv/domain/storage.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/mm/frame.hpp"

#include <array>
#include <memory>

namespace bulkhead::hv {

namespace {

// A domain, and what other layers keep of it. Behind it lie its timer lines, one for each pCPU.
struct Home {
    Domain domain;
    Console console;
};

constexpr std::uint64_t pages_with(std::uint64_t pcpus) {
    return (sizeof(Home) + pcpus * sizeof(host::TimerLine) + page_bytes - 1) / page_bytes;
}
static_assert(pages_with(landmark::max_pcpus) * page_bytes <= layout::domain_stride);
static_assert(sizeof(Home) % alignof(host::TimerLine) == 0);

constexpr std::uint64_t address_of(std::uint32_t slot) {
    return layout::domains + slot * layout::domain_stride;
}

void return_pages(std::uint64_t base, std::uint64_t count) {
    std::array<Mfn, pages_with(landmark::max_pcpus)> frames;
    for (std::uint64_t i = 0; i < count; ++i)
        frames[i] = frame_behind(base + i * page_bytes);
    unmap_hypervisor(base, count * page_bytes);
    for (std::uint64_t i = 0; i < count; ++i)
        frame_table().free_for_hypervisor(frames[i]);
}

} // namespace

Result<Domain*> make_domain(std::uint32_t slot) {
    const auto base = address_of(slot);
    const auto pages = pages_with(pcpu_count());
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
    home.domain.timer_lines = reinterpret_cast<host::TimerLine*>(&home + 1);
    std::uninitialized_value_construct_n(home.domain.timer_lines, pcpu_count());
    return &home.domain;
}

void free_domain(Domain& domain) {
    const auto base = address_of(domain.sched.slot);
    std::destroy_n(domain.timer_lines, pcpu_count());
    reinterpret_cast<Home*>(base)->~Home();
    return_pages(base, pages_with(pcpu_count()));
}

} // namespace bulkhead::hv
