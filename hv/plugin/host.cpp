#include "hv/plugin/host.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/mm/frame.hpp"
#include "hv/trace/trace.hpp"

#include <cstring>

namespace bulkhead::hv {

namespace {
std::uint64_t random_state = 0;
}

void seed_random(std::uint64_t seed) { random_state = seed; }

// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
std::uint64_t next_random() {
    auto z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void PolicyHost::start(std::uint64_t arena) {
    arena_ = arena;
    used_ = 0;
    table_ = {
        .context = this,
        .pcpus = pcpu_count(),
        .now = [](void*) { return machine::now(); },
        .random = [](void*) { return next_random(); },
        .allocate =
            [](void* self, std::size_t bytes, std::size_t alignment) {
                return static_cast<PolicyHost*>(self)->allocate(bytes, alignment);
            },
        .note = [](void*, std::uint64_t code,
                   std::uint64_t value) { trace_event(trace::Event::policy_note, code, value); },
        .kick =
            [](void*, PcpuId pcpu) {
                if (pcpu.value() < pcpu_count())
                    request_dispatch(pcpu);
                else
                    hv::pcpu().guard.fault = plugin::Fault::wrong_answer;
            },
    };
}

void* PolicyHost::allocate(std::size_t bytes, std::size_t alignment) {
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > page_bytes || bytes > arena_bytes)
        return nullptr;
    const auto at = (used_ + alignment - 1) & ~(alignment - 1);
    if (at + bytes > arena_bytes)
        return nullptr;
    while (mapped_ < at + bytes) {
        if (!reserve_hypervisor(arena_ + mapped_, page_bytes))
            return nullptr;
        const auto frame = frame_table().allocate_for_hypervisor();
        if (!frame)
            return nullptr;
        map_hypervisor(arena_ + mapped_, frame->value() << page_shift, page_bytes, Access::read_write);
        mapped_ += page_bytes;
    }
    used_ = at + bytes;
    return std::memset(reinterpret_cast<void*>(arena_ + at), 0, bytes);
}

} // namespace bulkhead::hv
