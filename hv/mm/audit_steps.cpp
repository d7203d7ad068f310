// The audit in steps of some microseconds, for a machine that measures its longest non-preemptible section.
// The audit changes nothing and keeps no table of counts. Each holder adds a weight of the frame it holds to
// one sum; each count adds its multiple of the same weight to another. The sums are equal if all counts are
// right, and only once in 2^64 if one is wrong. This audit finds that a count is wrong; audit() then says
// which. Guests must stand still meanwhile: if one does not, the sums differ, and audit() has the last word.
#include "hv/domain/holders.hpp"
#include "hv/mm/audit_checks.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

constexpr unsigned items_of_a_step = 32; // entries or links

struct Sums {
    std::uint64_t references = 0, types = 0, links = 0;
    friend bool operator==(const Sums&, const Sums&) = default;
};

enum class Stage : std::uint8_t { frames, holders, lists, end };

struct Progress {
    Stage stage = Stage::frames;
    std::uint64_t frame = 1; // frame 0 is never used
    unsigned entry = 0;
    std::uint32_t slot = 0; // of the next domain: holders, lists
    std::uint32_t cell = 0; // then lists of free frames: that of no zone, and those of cells
    InZones seen, unused;   // of the domain at hand; free ones
    std::uint32_t link = 0; // the next frame of that list; 0: it was not begun
    std::uint32_t previous_link = 0;
    std::uint64_t length = 0; // of the list so far
    Sums held, counted;
    std::uint64_t owned = 0, free = 0; // frames that must be in a list
    std::uint64_t listed = 0, promised = 0;
    Violations violations{Report::count};
};
constinit Progress progress;

// Numbers without a pattern: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t weight(Mfn mfn) {
    auto z = (mfn.value() + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void hold(Holding holding) {
    const auto* frame = find_owned(holding.frame);
    const bool typed = holding.type != FrameType::none;
    progress.violations.expect(frame != nullptr && (!typed || frame->type() == holding.type), holding.frame,
                               "a holder of something else");
    progress.held.references += weight(holding.frame);
    progress.held.types += typed ? weight(holding.frame) : 0;
}

void look_at(const Frame& frame, Mfn mfn) {
    check_frame(progress.violations, frame, mfn);
    progress.counted.references += weight(mfn) * frame.references();
    progress.counted.types += weight(mfn) * frame.type_references();
    progress.counted.links += weight(mfn) * static_cast<std::uint64_t>(std::int64_t{links_of(frame)});
    progress.free += frame.owner.load().is_nobody() ? 1 : 0;
    progress.owned += frame.owner.load().is_domain() && !frame.shared ? 1 : 0;
    if (!frame.owner.load().is_nobody())
        visit_own_references(frame, hold);
}

// Some entries of the frame at hand, or the next frame that has none. False at the end.
bool step_frames() {
    if (progress.frame >= frame_table().size())
        return false;
    const Mfn mfn{progress.frame};
    const auto* frame = frame_table().find(mfn);
    if (frame != nullptr && progress.entry == 0)
        look_at(*frame, mfn);
    const auto entries = frame == nullptr || frame->owner.load().is_nobody() ? 0 : held_entries(*frame);
    const auto last = progress.entry + items_of_a_step;
    if (progress.entry < entries) {
        check_entries(progress.violations, *frame, mfn, progress.entry, std::min(last, entries));
        visit_entry_references(*frame, progress.entry, std::min(last, entries), hold);
        visit_links(*frame, progress.entry, std::min(last, entries), [&](const Frame& child) {
            progress.violations.expect(frame->linear_links > 0 && child.linear_links < 0, mfn,
                                       "a linear entry that is not counted");
            progress.held.links += weight(mfn) - weight(frame_table().number(child));
        });
    }
    progress.entry = last < entries ? last : 0;
    progress.frame += progress.entry == 0 ? 1 : 0;
    return true;
}

bool step_holders() {
    const auto* domain = next_domain(progress.slot);
    if (domain == nullptr)
        return false;
    progress.slot = domain->sched.slot + 1;
    visit_external_references(*domain, hold);
    return true;
}

// Follows some links of a list. False at its end.
bool follow(const FrameList& list, Owner owner) {
    for (unsigned i = 0; i < items_of_a_step && progress.link != 0; ++i) {
        const auto* frame = frame_table().find(Mfn{progress.link});
        const bool good = frame != nullptr && frame->owner == owner && !frame->shared &&
                          frame->previous == progress.previous_link && progress.length < list.count;
        progress.violations.expect(good, Mfn{progress.link}, "in a list where it doesn't belong");
        if (!good)
            return false;
        (owner.is_nobody() ? progress.unused : progress.seen).count(*frame);
        progress.previous_link = progress.link;
        progress.link = frame->next;
        ++progress.length;
    }
    if (progress.link != 0)
        return true;
    progress.violations.expect(progress.length == list.count && list.last == progress.previous_link,
                               Mfn{list.last}, "a list miscounts its frames");
    return false;
}

void end_list_of(const Domain& domain) {
    const bool fits = domain.memory.frames.count <= domain.memory.max_frames || is_ending(domain.memory);
    progress.violations.expect(fits, Mfn{domain.memory.frames.first}, "a domain beyond its quota");
    progress.seen.check(progress.violations, domain.memory);
    progress.seen = {};
    progress.slot = domain.sched.slot + 1;
    progress.promised += set_aside(domain.memory);
}

// False at the last one.
bool end_free_list() {
    const Zones& zones = frame_table().zones();
    if (progress.cell != 0)
        progress.unused.except(zones.cell(progress.cell));
    if (++progress.cell < zones.cells())
        return true;
    progress.unused.check_free(progress.violations);
    return false;
}

bool step_lists() {
    const auto* domain = next_domain(progress.slot);
    const auto& list = domain != nullptr    ? domain->memory.frames
                       : progress.cell == 0 ? frame_table().free_list()
                                            : frame_table().zones().cell(progress.cell).frames;
    if (progress.length == 0)
        progress.link = list.first;
    if (follow(list, domain == nullptr ? Owner::nobody() : Owner{domain->id}))
        return true;
    progress.listed += progress.length;
    progress.link = progress.previous_link = 0;
    progress.length = 0;
    if (domain == nullptr)
        return end_free_list();
    end_list_of(*domain);
    return true;
}

bool step_stage() {
    switch (progress.stage) {
    case Stage::frames:
        return step_frames();
    case Stage::holders:
        return step_holders();
    case Stage::lists:
        return step_lists();
    case Stage::end:
        break;
    }
    return false;
}

bool is_clean() {
    return progress.violations.count() == 0 && progress.held == progress.counted &&
           progress.listed == progress.owned + progress.free &&
           progress.promised == frame_table().promised_frames() && progress.promised <= progress.free;
}

} // namespace

Result<std::uint64_t> audit_in_steps() {
    while (progress.stage != Stage::end) {
        if (!step_stage()) {
            progress.stage = static_cast<Stage>(static_cast<std::uint8_t>(progress.stage) + 1);
            progress.slot = 0;
        }
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    const bool clean = is_clean();
    progress = {};
    return clean ? 0 : audit();
}

} // namespace bulkhead::hv
