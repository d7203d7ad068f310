// Compares the frame table with everything that refers to frames. The audit only reads, except that counts
// are taken down and put back. No other pCPU runs meanwhile, so that a second table of counts is not needed.
//
// Invariants:
//  1. A frame's references are its allocation, its pin, its own interrupted work, the entries of tables that
//  map or name it,
//     and what vCPUs and rings hold; no more, no fewer. The same for its type references.
//  2. Each of those holders relies on a type that the frame has: a writable mapping on `writable`, an L2
//  entry on `l1`, and
//     so on. Hence no frame is writable by a guest and a page table or descriptor table at once.
//  3. A table is validated exactly while it has type references; an interrupted one has none. Nothing is
//  active.
//  4. Entries that hold references are of the form the hypervisor gives them (the user's, not global, not
//  large) and name
//     RAM of an existing domain; tables name tables of their own domain; an L4's hypervisor slots are the
//     hypervisor's.
//  5. Every frame in use belongs to an existing domain or to the hypervisor. A domain's list has its frames,
//  all of them
//     and no other, at most as many as it may have. Pages lent by the hypervisor are in no list and never
//     tables.
//  6. Linear entries are not writable, and name validated tables of their own level and domain. A table's
//  count of them, or of those
//     that name it, is right, and no table has both.
//  7. Free frames are in the lists of free ones, all of them, without owner, reference or type. As many as
//  are set aside for domains are among them.
//  8. In a machine with zones each frame is of the zone that its number is in, and each zone's count of free
//  frames is right, as is each domain's count of its frames in each zone.
#include "hv/domain/holders.hpp"
#include "hv/mm/audit_checks.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"

namespace bulkhead::hv {

namespace {

// Calls `check(frame, mfn)` for all RAM.
template<class Check>
void each_frame(Check check) {
    for (std::uint64_t i = 0; i < frame_table().size(); ++i)
        if (auto* frame = frame_table().find(Mfn{i}))
            check(*frame, Mfn{i});
}

constexpr std::uint64_t one_holding(bool typed) {
    return FrameCounts::one_reference + (typed ? FrameCounts::one_typed_use : 0);
}

void check_counts(Violations& violations) {
    visit_holdings([&](Holding holding) {
        auto* frame = find_owned(holding.frame);
        violations.expect(frame != nullptr, holding.frame, "referred to, but no allocated RAM");
        if (frame == nullptr)
            return;
        const bool typed = holding.type != FrameType::none;
        violations.expect(!typed || frame->type() == holding.type, holding.frame,
                          "a holder relies on a type it hasn't got");
        frame->counts -= one_holding(typed);
    });
    each_frame([&](const Frame& frame, Mfn mfn) {
        violations.expect(frame.references() == 0, mfn, "references and holders differ");
        violations.expect(frame.type_references() == 0, mfn, "type references and typed holders differ");
    });
    visit_holdings([](Holding holding) {
        if (auto* frame = find_owned(holding.frame))
            frame->counts += one_holding(holding.type != FrameType::none);
    });
}

// Walks a list; returns how many frames it really has. `see` gets each.
std::uint64_t check_list(Violations& violations, const FrameList& list, Owner owner, auto see) {
    std::uint64_t length = 0;
    std::uint32_t previous = 0;
    for (auto i = list.first; i != 0 && length <= frame_table().size(); ++length) {
        const auto* frame = frame_table().find(Mfn{i});
        violations.expect(frame != nullptr && frame->owner == owner && !frame->shared &&
                              frame->previous == previous,
                          Mfn{i}, "in a list where it doesn't belong");
        if (frame == nullptr)
            break;
        see(*frame);
        previous = i;
        i = frame->next;
    }
    violations.expect(length == list.count && list.last == previous, Mfn{list.last},
                      "a list miscounts its frames");
    return length;
}

// Counts of links are taken down and put back like the others.
void check_links(Violations& violations) {
    each_frame([&](Frame& frame, Mfn mfn) {
        visit_links(frame, 0, held_entries(frame), [&](Frame& child) {
            violations.expect(frame.linear_links > 0 && child.linear_links < 0, mfn,
                              "a linear entry that is not counted, or of a table that one names");
            --frame.linear_links;
            ++child.linear_links;
        });
    });
    each_frame([&](const Frame& frame, Mfn mfn) {
        violations.expect(links_of(frame) == 0, mfn, "linear entries and their count differ");
    });
    each_frame([](Frame& frame, Mfn) {
        visit_links(frame, 0, held_entries(frame), [&](Frame& child) {
            ++frame.linear_links;
            --child.linear_links;
        });
    });
}

// All cells of zones; returns how many frames they have.
std::uint64_t check_cells(Violations& violations) {
    const Zones& zones = frame_table().zones();
    InZones free;
    std::uint64_t all = 0;
    for (std::uint32_t i = 1; i < zones.cells(); ++i) {
        const auto& cell = zones.cell(i);
        all += check_list(violations, cell.frames, Owner::nobody(), [&](const Frame& frame) {
            violations.expect(frame.is_zoned() && frame.zone() == cell.zone, frame_table().number(frame),
                              "in a list of another zone");
            free.count(frame);
        });
        free.except(cell);
    }
    free.check_free(violations);
    return all;
}

void check_lists(Violations& violations) {
    std::uint64_t listed = 0, promised = 0;
    for_each_domain([&](const Domain& domain) {
        InZones has;
        listed += check_list(violations, domain.memory.frames, Owner{domain.id},
                             [&](const Frame& frame) { has.count(frame); });
        has.check(violations, domain.memory);
        promised += set_aside(domain.memory);
        violations.expect(domain.memory.frames.count <= domain.memory.max_frames || is_ending(domain.memory),
                          Mfn{domain.memory.frames.first}, "a domain beyond its quota");
    });
    const auto free = check_list(violations, frame_table().free_list(), Owner::nobody(),
                                 [&](const Frame& frame) {
                                     violations.expect(!frame.is_zoned(), frame_table().number(frame),
                                                       "of a zone, in the list of other frames");
                                 }) +
                      check_cells(violations);
    std::uint64_t unowned = 0;
    each_frame([&](const Frame& frame, Mfn) {
        const auto owner = frame.owner.load(std::memory_order_relaxed);
        listed -= owner.is_domain() && !frame.shared ? 1 : 0;
        unowned += owner.is_nobody() ? 1 : 0;
    });
    violations.expect(listed == 0, Mfn{}, "owned frames and the lists of domains differ");
    violations.expect(promised == frame_table().promised_frames() && promised <= free, Mfn{},
                      "frames set aside and the promises to domains differ");
    violations.expect(unowned == free, Mfn{}, "frames without an owner and the free list differ");
}

} // namespace

std::uint64_t audit() {
    Violations violations{Report::print};
    check_counts(violations);
    check_links(violations);
    each_frame([&](const Frame& frame, Mfn mfn) {
        check_frame(violations, frame, mfn);
        if (!frame.owner.load().is_nobody())
            check_entries(violations, frame, mfn, 0, held_entries(frame));
    });
    check_lists(violations);
    return violations.count();
}

} // namespace bulkhead::hv
