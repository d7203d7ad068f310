#include "hv/arch/address_space.hpp"

#include "hv/arch/cpu.hpp"
#include "hv/arch/descriptors.hpp"
#include "hv/arch/hypervisor_half.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/remote.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"
#include "hv/mm/tlb.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

extern "C" {
extern char image_start[], text_end[], rodata_end[], image_end[];
}

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t present = 1, writable = 2, user = 4, large = 0x80, global = 0x100,
                        no_execute = 1ULL << 63, address_bits = 0x000ffffffffff000, large_bytes = 2 << 20;

constexpr std::uint64_t pages_of(std::uint64_t bytes) { return (bytes + page_bytes - 1) / page_bytes; }

alignas(page_bytes) std::uint64_t null_descriptors[512];
EarlyMemory* early_memory = nullptr; // while the frame table is not there
std::uint64_t root = 0;              // physical
std::atomic<std::uint64_t> upper_entries_made = 0;

std::uint64_t* table(std::uint64_t physical) {
    return reinterpret_cast<std::uint64_t*>(layout::direct_map + (physical & address_bits));
}

std::uint64_t new_table() {
    if (early_memory != nullptr)
        return early_memory->take(page_bytes);
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame)
        machine::out_of_memory(
            "no memory for the hypervisor's own page tables: give the machine more (--mem)");
    return frame->value() << page_shift;
}

std::uint64_t leaf_flags(Access access) {
    switch (access) {
    case Access::read:
        return present | global | no_execute;
    case Access::read_write:
        return present | writable | global | no_execute;
    case Access::execute:
        return present | global;
    case Access::guest_read:
        return present | user | no_execute;
    }
    return 0;
}

// An entry of the L4 for one of the slots. A linear entry lets a guest walk through the others at a lower
// level, where they must not be the user's. What the first one holds, a guest may read.
std::uint64_t slot_entry(std::uint64_t slot, std::uint64_t physical) {
    return physical | present | writable | (slot == layout::first_slot ? user : 0);
}

// The entry for `address` at `level` (1: 4 KiB leaf, 2: 2 MiB leaf), creating the tables above it. Entries of
// an L3 and an L2 allow everything; those of the L4 and the leaf decide.
[[gnu::noinline]] std::uint64_t& entry(std::uint64_t address, unsigned level) {
    auto* entries = table(root);
    for (unsigned l = 4; l > level; --l) {
        const auto index = (address >> (3 + 9 * l)) & 511;
        auto& e = entries[index];
        if ((e & present) == 0) {
            e = l == 4 ? slot_entry(index, new_table()) : new_table() | present | writable | user;
            upper_entries_made.fetch_add(l >= 3, std::memory_order_release);
        }
        entries = table(e);
    }
    return entries[(address >> (3 + 9 * level)) & 511];
}

// Walks once for all the pages that one table of leaves covers.
struct Tables {
    std::uint64_t region = ~std::uint64_t{0};
    std::uint64_t* leaves = nullptr;

    std::uint64_t& entry(std::uint64_t address) {
        if (region != address / large_bytes) {
            region = address / large_bytes;
            leaves = &hv::entry(region * large_bytes, 1);
        }
        return leaves[(address >> page_shift) & 511];
    }
    static void drop_here(std::uint64_t address) { cpu::invlpg(address); }
    static void drop_elsewhere() { flush_hypervisor_elsewhere(); }
};

template<class Value>
void change_hypervisor(std::uint64_t address, std::uint64_t pages, Value value_of) {
    Tables tables;
    hypervisor_half::change(tables, address, pages, value_of);
}

// Not global: read as the entry of an L1, behind a linear entry, each of these is the translation of an
// address of the guest's. A processor may hold it although nobody may use it, but not in the next address
// space.
void map_direct(MemoryRange range) {
    for (auto at = range.start & ~(large_bytes - 1); at < range.end; at += large_bytes)
        entry(layout::direct_map + at, 2) = at | (leaf_flags(Access::read_write) & ~global) | large;
}

void map_image() {
    const auto at = [](const char* p) { return reinterpret_cast<std::uint64_t>(p); };
    const auto map = [](std::uint64_t from, std::uint64_t to, Access access) {
        map_hypervisor(from, from - layout::image, to - from, access);
    };
    map(at(image_start), at(text_end), Access::execute);
    map(at(text_end), at(rodata_end), Access::read);
    map(at(rodata_end), (at(image_end) + page_bytes - 1) & ~(page_bytes - 1), Access::read_write);
}

void start_frames(EarlyMemory& early, std::span<const MemoryRange> ram) {
    std::uint64_t top = 0;
    for (const auto& range : ram)
        top = std::max(top, range.end);
    const auto frames = top >> page_shift;
    const auto frame_bytes = frames * sizeof(Frame);
    map_hypervisor(layout::frames, early.take(frame_bytes), frame_bytes, Access::read_write);
    const auto m2p_bytes = frames * sizeof(std::uint64_t);
    const auto m2p = early.take_as_it_is(m2p_bytes);
    std::memset(table(m2p), 0xff, m2p_bytes);
    map_hypervisor(layout::m2p, m2p, m2p_bytes, Access::guest_read);
    // Tables of the plug-in and descriptor regions come later from the frame table; their upper levels now,
    // so that every domain's root, a copy of the slots, sees them.
    for (unsigned slot = layout::first_slot; slot <= layout::last_slot; ++slot)
        if (auto& e = table(root)[slot]; (e & present) == 0)
            e = slot_entry(slot, early.take(page_bytes));
    frame_table().start(reinterpret_cast<Frame*>(layout::frames), frames);
}

} // namespace

std::uint64_t EarlyMemory::take_as_it_is(std::uint64_t bytes) {
    bytes = (bytes + page_bytes - 1) & ~(page_bytes - 1);
    if (end_ - next_ < bytes)
        machine::out_of_memory("the machine has too little memory: give it more (--mem)");
    const auto at = next_;
    next_ += bytes;
    return at;
}

std::uint64_t EarlyMemory::take(std::uint64_t bytes) {
    const auto at = take_as_it_is(bytes);
    std::memset(table(at), 0, next_ - at);
    return at;
}

void map_hypervisor(std::uint64_t address, std::uint64_t physical, std::uint64_t bytes, Access access) {
    change_hypervisor(address, pages_of(bytes), [&](std::uint64_t i) {
        return ((physical + i * page_bytes) & address_bits) | leaf_flags(access);
    });
}

void unmap_hypervisor(std::uint64_t address, std::uint64_t bytes) {
    change_hypervisor(address, pages_of(bytes), [](std::uint64_t) { return std::uint64_t{0}; });
}

bool reserve_hypervisor(std::uint64_t address, std::uint64_t bytes) {
    for (auto at = address & ~(large_bytes - 1); at < address + bytes; at += large_bytes) {
        auto* entries = table(root);
        for (unsigned level = 4; level > 1; --level) {
            auto& e = entries[(at >> (3 + 9 * level)) & 511];
            if ((e & present) == 0) {
                const auto frame = frame_table().allocate_for_hypervisor();
                if (!frame)
                    return false;
                e = frame->value() << page_shift | present | writable | user;
                upper_entries_made.fetch_add(level >= 3, std::memory_order_release);
            }
            entries = table(e);
        }
    }
    return true;
}

std::uint64_t upper_entries() { return upper_entries_made.load(std::memory_order_acquire); }

Mfn frame_behind(std::uint64_t address) { return Mfn{(entry(address, 1) & address_bits) >> page_shift}; }

void start_address_space(EarlyMemory& early, std::span<const MemoryRange> ram) {
    early_memory = &early;
    root = early.take(page_bytes);
    map_direct({0, 4ULL << 30}); // RAM and the devices below 4 GiB
    for (const auto& range : ram)
        if (range.end > 4ULL << 30)
            map_direct({std::max<std::uint64_t>(range.start, 4ULL << 30), range.end});
    map_image();
    cpu::write_cr3(root);
    pcpu().root = root;
    start_frames(early, ram);
}

void free_remaining_memory(const EarlyMemory& early, std::span<const MemoryRange> ram) {
    early_memory = nullptr;
    for (const auto& range : ram) {
        const auto taken = early.rest();
        // The range that `early` works in is free from where it stopped; whole ranges above it are free
        // altogether.
        const auto from = range.start <= taken.start && taken.start < range.end ? taken.start : range.start;
        if (from < range.end && from >= taken.start)
            frame_table().add_free(Mfn{from >> page_shift}, (range.end - from) >> page_shift);
    }
}

Mfn idle_root() { return Mfn{root >> page_shift}; }

namespace machine {

void* frame_data(Mfn mfn) {
    return reinterpret_cast<void*>(layout::direct_map + (mfn.value() << page_shift));
}
Mfn frame_of(const void* address) {
    return Mfn{(reinterpret_cast<std::uint64_t>(address) - layout::direct_map) >> page_shift};
}

bool compare_exchange_entry(std::uint64_t* e, std::uint64_t expected, std::uint64_t desired) {
    return std::atomic_ref{*e}.compare_exchange_strong(expected, desired);
}

void flush_tlb() {
    const auto begun = tlb::begin_flush();
    cpu::write_cr3(cpu::read_cr3());
    tlb::end_flush(begun);
}
void flush_tlb_page(GuestAddress address) { cpu::invlpg(address.value()); }

void load_root(Mfn l4) {
    const auto value = l4.value() << page_shift;
    pcpu().root = value;
    const auto begun = tlb::begin_flush();
    cpu::write_cr3(value);
    tlb::end_flush(begun);
}

void install_hypervisor_slots(std::uint64_t* l4) {
    std::memcpy(l4 + layout::first_slot, table(root) + layout::first_slot,
                (layout::last_slot - layout::first_slot + 1) * sizeof(std::uint64_t));
}

namespace {
std::uint64_t* m2p_table() {
    // Contiguous, written through the direct map.
    static std::uint64_t* const direct = table(entry(layout::m2p, 1));
    return direct;
}
} // namespace

void set_m2p(Mfn mfn, std::uint64_t pfn) { m2p_table()[mfn.value()] = pfn; }
std::uint64_t get_m2p(Mfn mfn) { return m2p_table()[mfn.value()]; }

void map_descriptors(std::uint32_t slot, bool ldt, const Mfn* frames, std::uint32_t count,
                     std::uint32_t before) {
    const auto area =
        layout::descriptors + slot * layout::descriptor_area_bytes + (ldt ? 16 * page_bytes : 0);
    const std::uint32_t pages =
        std::min<std::uint32_t>(std::max(count, before), ldt ? 16 : layout::reserved_gdt_page);
    // Where the guest has no frame a page of null descriptors stands, so that a bad selector raises #GP, not
    // a fault of ours.
    change_hypervisor(area, pages, [&](std::uint64_t i) {
        const auto physical = i < count ? frames[i].value() << page_shift
                                        : reinterpret_cast<std::uint64_t>(null_descriptors) - layout::image;
        return physical | leaf_flags(Access::read);
    });
    if (const Vcpu* running = pcpu().loaded; running != nullptr && running->sched.slot == slot) {
        if (ldt)
            load_ldt_of(*running);
        else
            load_gdt_of(*running);
    }
}

} // namespace machine
} // namespace bulkhead::hv
