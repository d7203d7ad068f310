#include "tests/fuzz/paging_oracle.hpp"

#include "hv/base/machine.hpp"
#include "hv/mm/entry.hpp"
#include "hv/mm/pae.hpp"
#include "hv/mm/walk.hpp"

#include <array>

namespace bulkhead::hv::test {

namespace {

// An entry that the hypervisor puts into this place of every L4. A walk comes to it at a lower level through
// a linear entry; but for the tables of the machine-to-physical table, which guests may read, it ends there.
bool is_hypervisors(unsigned index, std::uint64_t e) {
    static const auto expected = [] {
        std::array<std::uint64_t, entry::per_table> entries{};
        machine::install_hypervisor_slots(entries.data());
        return entries;
    }();
    return entry::is_hypervisor_index(index) && ((e ^ expected[index]) & ~entry::accessed) == 0;
}

// The present entries on the way to an address, as far as a guest may be shown them.
std::array<std::uint64_t, 4> entries_for_guest(Mfn root, GuestAddress at) {
    std::array<std::uint64_t, 4> entries{};
    Mfn table = root;
    for (unsigned level = 4; level >= 1 && is_guest_address(at) && frame_table().find(table) != nullptr;
         --level) {
        const auto index = table_index(level, at);
        const auto e = machine::frame_as<std::uint64_t>(table)[index];
        if (!entry::is_present(e) || is_hypervisors(index, e))
            break;
        entries[4 - level] = e;
        table = entry::frame(e);
    }
    return entries;
}

} // namespace

void Oracle::visit(Reach& reach, Mfn table, unsigned level, bool writable) const {
    reach.tables.emplace(table.value(), level);
    if (!reach.visited.emplace(table.value(), level, writable).second)
        return;
    const auto* entries = machine::frame_as<std::uint64_t>(table);
    for (unsigned i = 0; i < entry::per_table; ++i) {
        const auto e = entries[i];
        if (!entry::is_present(e) || (level == 4 && entry::is_hypervisor_index(i)) || is_hypervisors(i, e))
            continue;
        const auto target = entry::frame(e);
        const auto* frame = frame_table().find(target);
        // A 32-bit guest's kernel has pages that are not its applications'.
        const bool is_open = (e & entry::user) != 0 || narrow_();
        if (frame == nullptr || !is_open || (level > 1 && (e & entry::large) != 0)) {
            reach.problem = "a reachable entry that no guest may have";
            continue;
        }
        if (level > 1) {
            visit(reach, target, level - 1, writable && entry::is_writable(e));
            continue;
        }
        reach.readable[target.value()] = frame->owner;
        if (writable && entry::is_writable(e))
            reach.writable[target.value()] = frame->owner;
    }
}

// The hypervisor's own L4 for a vCPU of a 32-bit guest: 4 GiB and the hypervisor's half, nothing in between.
void Oracle::visit_narrow(Reach& reach, Mfn own) const {
    const auto* entries = machine::frame_as<std::uint64_t>(own);
    for (unsigned i = 1; i < entry::per_table; ++i)
        if (entry::is_present(entries[i]) && !entry::is_hypervisor_index(i))
            reach.problem = "an entry beyond the first of a 32-bit guest's L4";
    if (!entry::is_present(entries[0]))
        return;
    const auto root = entry::frame(entries[0]);
    const auto* quarters = machine::frame_as<std::uint64_t>(root);
    for (unsigned i = 4; i < entry::per_table; ++i)
        if (entry::is_present(quarters[i]))
            reach.problem = "a 32-bit guest reaches an address above 4 GiB";
    if (entry::is_present(quarters[3])) {
        const auto* last = machine::frame_as<std::uint64_t>(entry::frame(quarters[3]));
        for (unsigned i = pae::first_hole_slot; i < entry::per_table; ++i)
            if (entry::is_present(last[i]))
                reach.problem = "a 32-bit guest has an entry in the hole";
    }
    visit(reach, root, 3, true);
}

Oracle::Reach Oracle::reach() const {
    Reach result;
    if (const auto root = root_(); root != Mfn{})
        narrow_() ? visit_narrow(result, root) : visit(result, root, 4, true);
    return result;
}

std::string Oracle::check() {
    auto now = reach();
    if (!now.problem.empty())
        return now.problem;
    for (const auto& [frame, owner] : now.readable)
        if (!owner.is_domain())
            return "a guest reaches a frame of the hypervisor or of nobody";
    remembered_.readable.insert(now.readable.begin(), now.readable.end());
    remembered_.writable.insert(now.writable.begin(), now.writable.end());
    remembered_.tables.insert(now.tables.begin(), now.tables.end());
    const auto at = [](std::uint64_t mfn) -> const Frame& { return frame_table().at(Mfn{mfn}); };
    for (const auto& [mfn, owner] : remembered_.readable)
        if (!at(mfn).belongs_to(owner) && !at(mfn).owner.load().is_nobody())
            return "a frame changed its owner while an old translation may read it";
    for (const auto& [mfn, owner] : remembered_.writable) {
        const auto& frame = at(mfn);
        if (frame.partial() || (frame.type_references() != 0 && frame.type() != FrameType::writable))
            return "a frame is a table while an old translation may write it";
    }
    for (const auto& [mfn, level] : remembered_.tables) {
        const auto& frame = at(mfn);
        if (frame.type_references() != 0 && frame.type() == FrameType::writable)
            return "a frame is writable while a processor may still walk it as a table";
        if (frame.owner.load().is_hypervisor())
            return "the hypervisor uses a frame that a processor may still walk as a guest's table";
    }
    return {};
}

std::string wrong_walk(Mfn root, GuestAddress at) {
    const auto expected = entries_for_guest(root, at);
    auto found = walk(root, at).entries;
    for (auto& each : found)
        if (!entry::is_present(each))
            each = 0;
    return found == expected
               ? ""
               : "a walk in software goes another way than a guest may, to " + std::to_string(at.value());
}

} // namespace bulkhead::hv::test
