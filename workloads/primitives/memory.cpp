// Mappings, page-table updates, descriptor tables, and frames that come and go.
#include "guest/runtime/paging.hpp"
#include "guest/runtime/user.hpp"
#include "workloads/primitives/meter.hpp"

namespace bulkhead::primitives {
namespace {

using namespace guest;

constexpr std::size_t many = 512, some = 32;
constexpr std::size_t gdt_pages = 14, gdt_page_entries = 512;
constexpr std::uint64_t user_data = 0x00cff3000000ffff; // a flat segment of ring 3

constinit std::array<::mmu_update, many> updates{};
constinit std::array<xen_pfn_t, gdt_pages> gdt{};

// Calls alternate between two frames, so that each of them changes the entry.
class Alternating {
  public:
    [[nodiscard]] std::uint64_t next() {
        second_ = !second_;
        return second_ ? two_ : one_;
    }

  private:
    std::uint64_t one_ = pte::make(mfn_of(allocate_pages()), pte::read_write);
    std::uint64_t two_ = pte::make(mfn_of(allocate_pages()), pte::read_write);
    bool second_ = false;
};

Page* make_tables(std::size_t count) {
    Page* const pages = allocate_pages(count);
    for (std::size_t i = 0; i < count; ++i)
        if (!protect(pages + i, pte::read_only))
            panic("a table stays writable");
    return pages;
}

void update(std::uint64_t address, std::uint64_t entry, unsigned long flags) {
    if (!hypercall::update_va_mapping(address, entry, flags))
        panic("an update of a mapping failed");
}

void measure_pin(std::string_view row, std::uint64_t entry) {
    Page* const table = allocate_pages();
    std::fill_n(reinterpret_cast<std::uint64_t*>(table), many, entry);
    if (!protect(table, pte::read_only))
        panic("a table stays writable");
    const auto frame = mfn_of(table).value();
    measure(row, [=] {
        if (!hypercall::mmuext(MMUEXT_PIN_L1_TABLE, frame) || !hypercall::mmuext(MMUEXT_UNPIN_TABLE, frame))
            panic("a table cannot be pinned");
    });
}

bool is_hypervisors(unsigned slot) { return is_narrow ? slot >= 4 : slot >= 256 && slot < 272; }

// A second root with all that the first one has.
Mfn copy_root() {
    Page* const copy = allocate_pages();
    const auto* const from = reinterpret_cast<const std::uint64_t*>(direct(*own_frame(kernel_root())));
    for (unsigned i = 0; i < 512; ++i)
        reinterpret_cast<std::uint64_t*>(copy)[i] = is_hypervisors(i) ? 0 : from[i];
    constexpr unsigned pin = is_narrow ? MMUEXT_PIN_L3_TABLE : MMUEXT_PIN_L4_TABLE;
    if (!protect(copy, pte::read_only) || !hypercall::mmuext(pin, mfn_of(copy).value()))
        panic("the root cannot be copied");
    return mfn_of(copy);
}

long reserve(unsigned command, xen_pfn_t* extents, std::uint64_t count) {
    xen_memory_reservation call{};
    call.extent_start.p = extents;
    call.nr_extents = count;
    call.domid = DOMID_SELF;
    return hypercall::memory_op(command, &call).value_or(0);
}

void measure_updates(std::string_view row, std::size_t count, Alternating& entries) {
    measure(
        row,
        [&] {
            const auto entry = entries.next();
            for (auto& one : updates)
                one.val = entry;
        },
        [=] {
            if (hypercall::mmu_update({updates.data(), count}).value_or(0) != count)
                panic("an update of an entry failed");
        });
}

} // namespace

void measure_descriptors() {
    Page* const tables = make_tables(gdt_pages);
    for (std::size_t i = 0; i < gdt_pages; ++i)
        gdt[i] = mfn_of(tables + i).value();
    const auto set = [](std::size_t pages) {
        if (!hypercall::set_gdt(gdt.data(), static_cast<unsigned>(pages * gdt_page_entries)))
            panic("the descriptor table is refused");
    };
    measure("set_gdt_1_page", [=] { set(1); });
    measure("set_gdt_14_pages", [=] { set(gdt_pages); });
    const auto place = (std::uint64_t{gdt[0]} << page_shift) + sizeof(std::uint64_t);
    measure("update_descriptor", [=] { static_cast<void>(hypercall::update_descriptor(place, user_data)); });
    set(0);
}

void measure_mapping() {
    Alternating entries;
    const auto window = hypercall::address(reserve_window(many));
    const auto map = [&](unsigned long flags) { update(window, entries.next(), flags); };
    measure("update_va_mapping", [&] { map(UVMF_NONE); });
    measure("update_va_mapping_invlpg", [&] { map(UVMF_INVLPG | UVMF_LOCAL); });
    measure("unmap_and_remap", [&] {
        update(window, 0, UVMF_INVLPG | UVMF_LOCAL);
        map(UVMF_NONE);
    });
    for (std::size_t i = 0; i < many; ++i) {
        const auto slot = find_slot(window + i * page_bytes);
        updates[i].ptr = slot->machine_address() | MMU_NORMAL_PT_UPDATE;
    }
    measure_updates("mmu_update_1", 1, entries);
    measure_updates("mmu_update_32", some, entries);
    measure_updates("mmu_update_512", many, entries);
    auto* const table = reinterpret_cast<std::uint64_t*>(direct(*own_frame(find_slot(window)->table)));
    auto& word = reinterpret_cast<volatile std::uint64_t&>(table[window >> page_shift & 511]);
    measure("store_to_page_table", [&] { word = entries.next(); });
}

void measure_tables() {
    measure_pin("pin_and_unpin_empty", 0);
    measure_pin("pin_and_unpin_full", pte::make(mfn_of(allocate_pages()), pte::read_only));
    const Mfn roots[] = {kernel_root(), copy_root()};
    measure("switch_root_twice", [&] {
        for (const Mfn root : {roots[1], roots[0]})
            static_cast<void>(hypercall::mmuext(MMUEXT_NEW_BASEPTR, root.value()));
    });
    if constexpr (!is_narrow) { // whose kernels have one root for themselves and their applications
        const auto space = user::Space::create("", "");
        if (!space)
            panic("no user space");
        measure("switch_user_root", [&] {
            static_cast<void>(hypercall::mmuext(MMUEXT_NEW_USER_BASEPTR, space->root().value()));
        });
    }
    measure("flush_tlb", [] { static_cast<void>(hypercall::mmuext(MMUEXT_TLB_FLUSH_LOCAL)); });
    measure("invlpg", [] { static_cast<void>(hypercall::mmuext(MMUEXT_INVLPG_LOCAL, kernel_base)); });
}

void measure_reservation() {
    std::array<xen_pfn_t, some> frames{};
    Page* const pages = allocate_pages(some);
    for (std::size_t i = 0; i < some; ++i) {
        frames[i] = mfn_of(pages + i).value();
        update(hypercall::address(pages + i), 0, UVMF_INVLPG);
    }
    const auto change = [&](unsigned command, std::size_t count) {
        if (command == XENMEM_populate_physmap)
            for (std::size_t i = 0; i < count; ++i)
                frames[i] = pfn_of(pages + i).value();
        if (reserve(command, frames.data(), count) != static_cast<long>(count))
            panic("the reservation cannot change");
    };
    for (const std::size_t count : {std::size_t{1}, some}) {
        const auto give = [&] { change(XENMEM_decrease_reservation, count); };
        const auto take = [&] { change(XENMEM_populate_physmap, count); };
        measure(count == 1 ? "populate_1" : "populate_32", give, take);
        give();
        measure(count == 1 ? "decrease_1" : "decrease_32", take, give);
        take();
    }
}

} // namespace bulkhead::primitives
