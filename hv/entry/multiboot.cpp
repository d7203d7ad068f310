#include "hv/entry/multiboot.hpp"

#include "hv/arch/layout.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

struct Information {
    std::uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4],
        mmap_length, mmap_addr;
};
struct Module {
    std::uint32_t start, end, string, reserved;
};
struct [[gnu::packed]] MapEntry {
    std::uint32_t size; // of what follows
    std::uint64_t base, length;
    std::uint32_t type; // 1: usable
};
constexpr std::uint32_t has_modules = 1 << 3, has_map = 1 << 6;

template<class T>
const T* at(std::uint64_t physical) {
    return reinterpret_cast<const T*>(layout::direct_map + physical);
}

void add_range(BootFacts& facts, const MapEntry& entry) {
    constexpr std::uint64_t low_memory_end = 1 << 20;
    const auto start = std::max((entry.base + page_bytes - 1) & ~(page_bytes - 1), low_memory_end);
    const auto end = (entry.base + entry.length) & ~(page_bytes - 1);
    if (entry.type == 1 && start < end && facts.ram_count < facts.ram.size())
        facts.ram[facts.ram_count++] = {start, end};
}

} // namespace

BootFacts read_multiboot(std::uint32_t information) {
    BootFacts facts;
    const auto& info = *at<Information>(information);
    if ((info.flags & has_map) != 0)
        for (std::uint64_t offset = 0; offset < info.mmap_length;) {
            const auto& entry = *at<MapEntry>(info.mmap_addr + offset);
            add_range(facts, entry);
            offset += entry.size + sizeof entry.size;
        }
    if ((info.flags & has_modules) != 0 && info.mods_count != 0) {
        const auto* const modules = at<Module>(info.mods_addr);
        facts.manifest = {modules->start, modules->end};
        facts.module_count = std::min<std::size_t>(info.mods_count, BootFacts::most_modules);
        std::transform(modules, modules + facts.module_count, facts.modules.begin(),
                       [](const Module& each) { return MemoryRange{each.start, each.end}; });
    }
    return facts;
}

} // namespace bulkhead::hv
