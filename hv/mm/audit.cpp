// The frame table against everything that refers to frames. Only reads, except that counts are taken down and
// put back while nobody else runs, so that no second table of counts is needed.
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
//  6. Free frames are in the free list, all of them, without owner, reference or type.
#include "hv/io/console.hpp"
#include "hv/mm/holders.hpp"
#include "hv/mm/paging.hpp"

#include <array>
#include <cstring>

namespace bulkhead::hv {

namespace {

class Violations {
  public:
    void expect(bool good, Mfn frame, const char* what) {
        if (good) [[likely]]
            return;
        constexpr std::uint64_t shown = 8;
        if (++count_ <= shown)
            log("audit: frame 0x%lx: %s\n", static_cast<unsigned long>(frame.value()), what);
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }

  private:
    std::uint64_t count_ = 0;
};

// Calls `check(frame, mfn)` for all RAM.
template<class Check>
void each_frame(Check check) {
    for (std::uint64_t i = 0; i < frame_table().size(); ++i)
        if (auto* frame = frame_table().find(Mfn{i}))
            check(*frame, Mfn{i});
}

// RAM that somebody owns; nullptr otherwise.
Frame* find_owned(Mfn mfn) {
    auto* frame = frame_table().find(mfn);
    return frame != nullptr && frame->owner != nobody ? frame : nullptr;
}

void check_counts(Violations& violations) {
    visit_holdings([&](Holding holding) {
        auto* frame = find_owned(holding.frame);
        violations.expect(frame != nullptr, holding.frame, "referred to, but no allocated RAM");
        if (frame == nullptr)
            return;
        const bool typed = holding.type != FrameType::none;
        violations.expect(!typed || frame->type == holding.type, holding.frame,
                          "a holder relies on a type it hasn't got");
        --frame->references;
        frame->type_references -= typed ? 1 : 0;
    });
    each_frame([&](const Frame& frame, Mfn mfn) {
        violations.expect(frame.references == 0, mfn, "references and holders differ");
        violations.expect(frame.type_references == 0, mfn, "type references and typed holders differ");
    });
    visit_holdings([](Holding holding) {
        if (auto* frame = find_owned(holding.frame)) {
            ++frame->references;
            frame->type_references += holding.type != FrameType::none ? 1 : 0;
        }
    });
}

bool has_contents(FrameType type) { return entry::is_table(type) || type == FrameType::descriptors; }

void check_state(Violations& violations, const Frame& frame, Mfn mfn) {
    violations.expect(!frame.active, mfn, "work on it never ended");
    violations.expect(!frame.partial || (has_contents(frame.type) && frame.type_references == 0), mfn,
                      "interrupted work on a frame in use, or on no table");
    violations.expect((frame.validated != 0) == (has_contents(frame.type) && frame.type_references != 0), mfn,
                      "a table without validation, or validated without being a table");
    violations.expect(!frame.pinned || entry::is_table(frame.type), mfn, "pinned, but no page table");
    violations.expect(frame.type_references <= frame.references, mfn, "more type references than references");
    violations.expect(frame.references != 0, mfn, "owned without a reference");
    violations.expect(!frame.shared || !has_contents(frame.type), mfn,
                      "a page of the hypervisor is a guest's table");
}

void check_entries(Violations& violations, const Frame& frame, Mfn mfn) {
    const auto* entries = machine::frame_as<const std::uint64_t>(mfn);
    for (unsigned i = 0, n = held_entries(frame); i < n; ++i) {
        const auto e = entries[i];
        if (!entry::is_present(e) || entry::is_hypervisor_slot(frame.type, i))
            continue;
        violations.expect(entry::sanitised(frame.type, e) == e && entry::is_allowed(frame.type, e), mfn,
                          "an entry that the hypervisor would not write");
        const auto* target = find_owned(entry::frame(e));
        violations.expect(target != nullptr && target->owner != hypervisor_owner, mfn,
                          "an entry names no guest's RAM");
        violations.expect(frame.type == FrameType::l1 || target == nullptr || target->owner == frame.owner,
                          mfn, "a table names another domain's table");
    }
}

void check_hypervisor_slots(Violations& violations, const Frame& frame, Mfn mfn) {
    static std::array<std::uint64_t, entry::per_table> expected;
    if (frame.type != FrameType::l4 || !frame.validated)
        return;
    machine::install_hypervisor_slots(expected.data());
    const auto* entries = machine::frame_as<const std::uint64_t>(mfn);
    bool same = true;
    for (unsigned i = entry::hypervisor_first; i <= entry::hypervisor_last; ++i)
        same =
            same && ((entries[i] ^ expected[i]) & ~entry::accessed) == 0; // the processor marks what it walks
    violations.expect(same, mfn, "an L4 without the hypervisor's own entries");
}

void check_free(Violations& violations, const Frame& frame, Mfn mfn) {
    violations.expect(frame.references == 0 && frame.type_references == 0 && frame.type == FrameType::none &&
                          !frame.held && !frame.shared && !frame.pinned && !frame.validated && !frame.partial,
                      mfn, "a free frame with a past");
}

// Walks a list; returns how many frames it really has.
std::uint64_t check_list(Violations& violations, const FrameList& list, std::uint16_t owner) {
    std::uint64_t length = 0;
    std::uint32_t previous = 0;
    for (auto i = list.first; i != 0 && length <= frame_table().size(); ++length) {
        const auto* frame = frame_table().find(Mfn{i});
        violations.expect(frame != nullptr && frame->owner == owner && !frame->shared &&
                              frame->previous == previous,
                          Mfn{i}, "in a list where it doesn't belong");
        if (frame == nullptr)
            break;
        previous = i;
        i = frame->next;
    }
    violations.expect(length == list.count && list.last == previous, Mfn{list.last},
                      "a list miscounts its frames");
    return length;
}

void check_lists(Violations& violations) {
    std::uint64_t listed = 0;
    for_each_domain([&](const Domain& domain) {
        listed += check_list(violations, domain.frames, domain.id.value());
        violations.expect(domain.frames.count <= domain.max_frames || is_ending(domain),
                          Mfn{domain.frames.first}, "a domain beyond its quota");
    });
    const auto free = check_list(violations, frame_table().free_list(), nobody);
    each_frame(
        [&](const Frame& frame, Mfn) { listed -= frame.owner < hypervisor_owner && !frame.shared ? 1 : 0; });
    std::uint64_t unowned = 0;
    each_frame([&](const Frame& frame, Mfn) { unowned += frame.owner == nobody ? 1 : 0; });
    violations.expect(listed == 0, Mfn{}, "owned frames and the lists of domains differ");
    violations.expect(unowned == free, Mfn{}, "frames without an owner and the free list differ");
}

} // namespace

std::uint64_t audit() {
    Violations violations;
    check_counts(violations);
    each_frame([&](const Frame& frame, Mfn mfn) {
        if (frame.owner == nobody)
            return check_free(violations, frame, mfn);
        violations.expect(frame.owner == hypervisor_owner || find_domain(DomainId{frame.owner}) != nullptr,
                          mfn, "its owner does not exist");
        check_state(violations, frame, mfn);
        check_entries(violations, frame, mfn);
        check_hypervisor_slots(violations, frame, mfn);
    });
    check_lists(violations);
    return violations.count();
}

} // namespace bulkhead::hv
