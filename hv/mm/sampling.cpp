#include "hv/mm/sampling.hpp"

#include "host/random.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/entry.hpp"

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t watchable_frames = std::uint64_t{1} << 27;
constexpr std::uint64_t l3_shift = 9, l4_shift = 18; // an entry there covers 2^n slots of L1s
constexpr std::uint64_t all_slots = std::uint64_t{1} << 27;
constexpr unsigned entries_of_line = 8;

std::uint64_t read(const std::uint64_t* slot) { return __atomic_load_n(slot, __ATOMIC_RELAXED); }

bool is_table_of(const Frame& frame, FrameType type, Owner owner) {
    const auto now = frame.now();
    return now.validated() && now.type() == type && frame.belongs_to(owner);
}

// The table that an entry names, if it is the domain's and of that level: linear entries name others.
Mfn child(Mfn table, std::uint64_t index, FrameType type, Owner owner) {
    const auto e = read(machine::frame_as<const std::uint64_t>(table) + index % entry::per_table);
    const Frame* const frame = entry::is_present(e) ? frame_table().find(entry::frame(e)) : nullptr;
    return frame != nullptr && is_table_of(*frame, type, owner) ? entry::frame(e) : Mfn{};
}

// The first present entry from `from` on; per_table if there is none. Tables are mostly empty.
std::uint64_t present_ahead(Mfn table, std::uint64_t from) {
    const auto* const entries = machine::frame_as<const std::uint64_t>(table);
    while (from < entry::per_table) {
        if (from % entries_of_line == 0) {
            std::uint64_t any = 0;
            for (unsigned i = 0; i < entries_of_line; ++i)
                any |= read(entries + from + i);
            if (!entry::is_present(any)) {
                from += entries_of_line;
                continue;
            }
        }
        if (entry::is_present(read(entries + from)))
            break;
        ++from;
    }
    return from;
}

Mfn root_of(const Domain& domain) {
    const auto* const vcpu = domain.vcpus[0];
    const Mfn root = vcpu == nullptr ? Mfn{} : vcpu->tables.kernel_root;
    const Frame* const frame = root == Mfn{} ? nullptr : frame_table().find(root);
    return frame != nullptr && is_table_of(*frame, FrameType::l4, Owner{domain.id}) ? root : Mfn{};
}

// The entry, if it maps the page still; else nullptr.
std::uint64_t* entry_of(const Watch& watch, Owner owner) {
    const Mfn table{watch.table};
    const Frame* const frame = frame_table().find(table);
    if (frame == nullptr || !is_table_of(*frame, FrameType::l1, owner))
        return nullptr;
    auto* const slot = machine::frame_as<std::uint64_t>(table) + watch.index;
    const auto e = read(slot);
    return entry::is_present(e) && entry::frame(e) == Mfn{watch.page} ? slot : nullptr;
}

} // namespace

void TableIndex::add(Mfn table, std::uint64_t& random) {
    if (table.value() >= watchable_frames)
        return;
    ++seen_;
    const auto place = count_ < most ? count_++ : host::next_random(random) % seen_;
    if (place < most)
        tables_[place] = static_cast<std::uint32_t>(table.value());
}

Mfn TableIndex::draw(std::uint64_t& random) const { return Mfn{tables_[host::next_random(random) % count_]}; }

// Sets next_ to the slots that the next present entry of the table covers, from where it is on, and answers
// the entry's child. Behind the table if none is present.
Mfn TableIndex::child_ahead(Mfn table, std::uint64_t shift, FrameType type, Owner owner) {
    const auto before = next_ >> shift, here = before % entry::per_table;
    const auto ahead = present_ahead(table, here);
    if (ahead != here)
        next_ = (before - here + ahead) << shift;
    return ahead == entry::per_table ? Mfn{} : child(table, ahead, type, owner);
}

bool TableIndex::go_on(Domain& domain, std::uint64_t& random, RealTime until) {
    const LockGuard tables{domain.memory.tables};
    const Owner owner{domain.id};
    const Mfn root = root_of(domain);
    while (root != Mfn{} && next_ < all_slots) {
        const Mfn l3 = child_ahead(root, l4_shift, FrameType::l3, owner);
        const auto end_of_l3 = ((next_ >> l4_shift) + 1) << l4_shift;
        if (entry::is_hypervisor_index(static_cast<unsigned>(next_ >> l4_shift)) || l3 == Mfn{}) {
            next_ = end_of_l3;
            continue;
        }
        while (next_ < end_of_l3) {
            const Mfn l2 = child_ahead(l3, l3_shift, FrameType::l2, owner);
            const auto end_of_l2 = ((next_ >> l3_shift) + 1) << l3_shift;
            while (l2 != Mfn{} && next_ < end_of_l2) {
                if (const Mfn l1 = child_ahead(l2, 0, FrameType::l1, owner); l1 != Mfn{})
                    add(l1, random);
                if (next_ < end_of_l2)
                    ++next_;
                if (machine::now() >= until)
                    return false;
            }
            if (l2 == Mfn{} && next_ < end_of_l3)
                next_ = end_of_l2;
            if (machine::now() >= until)
                return false;
        }
    }
    return true;
}

PagesSeen look_at_pages(Domain& domain, std::span<const Watch> watches) {
    const LockGuard tables{domain.memory.tables};
    PagesSeen seen;
    for (const Watch& watch : watches) {
        const auto* const slot = entry_of(watch, Owner{domain.id});
        if (slot == nullptr)
            continue;
        ++seen.looked_at;
        seen.used += (read(slot) & entry::accessed) != 0 ? 1 : 0;
    }
    return seen;
}

void end_watches(Domain& domain, std::span<const Watch> watches) {
    const LockGuard tables{domain.memory.tables};
    for (const Watch& watch : watches) {
        if (!watch.was_accessed)
            continue;
        if (auto* const slot = entry_of(watch, Owner{domain.id}); slot != nullptr)
            __atomic_fetch_or(slot, entry::accessed, __ATOMIC_RELAXED);
    }
}

std::uint32_t begin_watches(Domain& domain, const TableIndex& tables, std::span<Watch> watches,
                            std::uint64_t& random) {
    const LockGuard guard{domain.memory.tables};
    const Owner owner{domain.id};
    std::uint32_t begun = 0;
    for (std::size_t draw = 0; draw < watches.size(); ++draw) {
        const Mfn table = tables.draw(random);
        const auto index = host::next_random(random) % entry::per_table;
        const Frame& frame = frame_table().at(table);
        if (!is_table_of(frame, FrameType::l1, owner))
            continue; // it was one when the index was made
        auto* const slot = machine::frame_as<std::uint64_t>(table) + index;
        const auto e = read(slot);
        const Mfn page = entry::frame(e);
        const Frame* const mapped = entry::is_present(e) ? frame_table().find(page) : nullptr;
        if (mapped == nullptr || !mapped->belongs_to(owner) || page.value() >= watchable_frames)
            continue;
        const auto before = __atomic_fetch_and(slot, ~entry::accessed, __ATOMIC_RELAXED);
        watches[begun++] = {.table = table.value() & (watchable_frames - 1),
                            .page = page.value() & (watchable_frames - 1),
                            .index = index & (entry::per_table - 1),
                            .was_accessed = (before & entry::accessed) != 0 ? 1U : 0U};
    }
    return begun;
}

} // namespace bulkhead::hv
