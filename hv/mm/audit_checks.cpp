#include "hv/mm/audit_checks.hpp"

#include "hv/base/log.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/mm/holders.hpp"
#include "hv/mm/pae_m2p.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::hv {

namespace {

bool has_contents(FrameType type) {
    return entry::is_table(type) || type == FrameType::descriptors || type == FrameType::pae_descriptors;
}

bool is_as_written(FrameType type, std::uint64_t e) {
    return pae::is_table(type) ? pae::sanitised(type, e) == e && pae::is_allowed(type, e)
                               : entry::sanitised(type, e) == e && entry::is_allowed(type, e);
}

// The hypervisor's own there.
bool is_of_hole(FrameType type, unsigned index, std::uint64_t e) {
    return type == FrameType::pae_l2_top && ((e ^ pae::hole_entry(index)) & ~entry::accessed) == 0;
}

void check_state(Violations& violations, const Frame& frame, Mfn mfn) {
    violations.expect(!frame.active, mfn, "work on it never ended");
    violations.expect(!frame.partial() || (has_contents(frame.type()) && frame.type_references() == 0), mfn,
                      "interrupted work on a frame in use, or on no table");
    violations.expect((frame.validated() != 0) ==
                          (has_contents(frame.type()) && frame.type_references() != 0),
                      mfn, "a table without validation, or validated without being a table");
    violations.expect(!frame.pinned || entry::is_table(frame.type()), mfn, "pinned, but no page table");
    violations.expect(frame.type_references() <= frame.references(), mfn,
                      "more type references than references");
    violations.expect(frame.references() != 0, mfn, "owned without a reference");
    violations.expect(frame.linear_links == 0 || frame.validated() || frame.partial(), mfn,
                      "linear entries of no table");
    violations.expect(!frame.shared || !has_contents(frame.type()), mfn,
                      "a page of the hypervisor is a guest's table");
}

void check_hypervisor_slots(Violations& violations, const Frame& frame, Mfn mfn) {
    static std::array<std::uint64_t, entry::per_table> expected;
    if (frame.type() != FrameType::l4 || !frame.validated())
        return;
    machine::install_hypervisor_slots(expected.data());
    const auto* entries = machine::frame_as<const std::uint64_t>(mfn);
    bool same = true; // but for `accessed`, by which the processor marks what it walks
    for (unsigned i = entry::hypervisor_first; i <= entry::hypervisor_last; ++i)
        same = same && ((entries[i] ^ expected[i]) & ~entry::accessed) == 0;
    violations.expect(same, mfn, "an L4 without the hypervisor's own entries");
}

void check_free(Violations& violations, const Frame& frame, Mfn mfn) {
    violations.expect(frame.references() == 0 && frame.type_references() == 0 &&
                          frame.type() == FrameType::none && !frame.held && !frame.shared && !frame.pinned &&
                          !frame.validated() && !frame.partial() && frame.linear_links == 0,
                      mfn, "a free frame with a past");
}

} // namespace

void Violations::add(Mfn frame, const char* what) {
    constexpr std::uint64_t shown = 8;
    if (++count_ <= shown && report_ == Report::print)
        log("audit: frame 0x%lx: %s\n", static_cast<unsigned long>(frame.value()), what);
}

void InZones::check(Violations& violations, const DomainMemory& memory) const {
    violations.expect(std::ranges::equal(frames_, memory.zones.has), Mfn{memory.frames.first},
                      "a domain miscounts its frames in a zone");
}

void InZones::check_free(Violations& violations) const {
    const Zones& zones = frame_table().zones();
    std::uint64_t all = 0;
    for (std::uint32_t zone = 0; zone < max_zones; all += frames_[zone++])
        violations.expect(frames_[zone] == zones.at(zone).free, Mfn{zones.at(zone).start},
                          "a zone miscounts its free frames");
    violations.expect(all == zones.free(), Mfn{}, "the zones miscount their free frames");
}

Frame* find_owned(Mfn mfn) {
    auto* frame = frame_table().find(mfn);
    return frame != nullptr && !frame->owner.load().is_nobody() ? frame : nullptr;
}

void check_frame(Violations& violations, const Frame& frame, Mfn mfn) {
    violations.expect(!frame.is_zoned() ||
                          frame_table().zones().fits(static_cast<std::uint32_t>(mfn.value()), frame.zone()),
                      mfn, "of a zone that it is not in");
    if (frame.owner.load().is_nobody())
        return check_free(violations, frame, mfn);
    violations.expect(frame.owner.load().is_hypervisor() ||
                          find_domain(frame.owner.load().domain()) != nullptr,
                      mfn, "its owner does not exist");
    check_state(violations, frame, mfn);
    check_hypervisor_slots(violations, frame, mfn);
}

void check_entries(Violations& violations, const Frame& frame, Mfn mfn, unsigned first, unsigned last) {
    const auto* entries = machine::frame_as<const std::uint64_t>(mfn);
    for (unsigned i = first; i < last; ++i) {
        const auto e = entries[i];
        if (!entry::is_present(e) || entry::is_hypervisor_slot(frame.type(), i))
            continue;
        if (pae::is_closed_slot(frame.type(), i)) {
            violations.expect(!frame.validated() || is_of_hole(frame.type(), i, e), mfn,
                              "an entry of a 32-bit guest that leads into the hole or above 4 GiB");
            continue;
        }
        violations.expect(is_as_written(frame.type(), e), mfn,
                          "an entry that the hypervisor would not write");
        const auto* target = find_owned(entry::frame(e));
        violations.expect(target != nullptr && !target->owner.load().is_hypervisor(), mfn,
                          "an entry names no guest's RAM");
        if (is_leaf_table(frame.type()) || target == nullptr)
            continue;
        violations.expect(target->owner == frame.owner, mfn, "a table names another domain's table");
        violations.expect(pae::is_table(frame.type()) || !is_linear(frame, *target) || !entry::is_writable(e),
                          mfn, "a linear entry is writable");
    }
}

} // namespace bulkhead::hv
