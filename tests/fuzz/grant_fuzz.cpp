// Hostile guests against grants: random lending, mapping, copying, spoiling and dying. What a step changed is
// judged after it, everything now and then and at the end, and then also whether every page came back.

#include "hv/calls/grant.hpp"
#include "hv/grant/map.hpp"
#include "hv/mm/entry.hpp"
#include "hv/mm/paging.hpp"
#include "tests/fuzz/changes.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/to_the_end.hpp"
#include "tests/unit/event_world.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <span>
#include <tuple>

using namespace bulkhead;
using namespace bulkhead::hv;

namespace {

void require(bool good, const char* what) {
    if (good)
        return;
    std::fprintf(stderr, "grant_fuzz: %s\n", what);
    std::abort();
}

constexpr unsigned steps_between_audits = 64; // on average
constexpr unsigned guests = 3, tables = 4, pages = 4, leaves = 12, refs = 6;

class Run {
  public:
    explicit Run(std::span<const std::uint8_t> bytes)
        : input_{bytes}, free_at_start_{frame_table().free_frames()} {
        for (auto& frames : frames_)
            furnish(frames, world_.add_domain("guest", 1, &frames == frames_));
    }

    void go() {
        while (!input_.empty()) {
            const bool all = input_.peek() % steps_between_audits == 0;
            step();
            all ? judge_all() : judge();
        }
        judge_all();
        for (unsigned i = 0; i < guests; ++i)
            begin_death(domain(i));
        for (unsigned i = 0; i < guests; ++i)
            finish_death(domain(i));
        require(frame_table().free_frames() == free_at_start_, "a page was lost");
    }

  private:
    Domain& domain(unsigned i) { return *world_.domains[i]; }
    Vcpu& vcpu(unsigned i) { return *domain(i).vcpus[0]; }
    bool dead(unsigned i) { return domain(i).life == control::Life::dying; }

    void furnish(Mfn (&frames)[tables + pages], Domain& owner) {
        for (auto& frame : frames)
            frame = frame_table().allocate(owner).value();
        for (unsigned level = 0; level + 1 < tables; ++level)
            world_.machine.words(frames[level])[0] = frames[level + 1].value() << page_shift | 7;
        require(set_kernel_root(*owner.vcpus[0], frames[0], false).has_value(), "no address space");
        require(start_grants(owner).has_value(), "no grant table");
    }

    // An own page, a page table, the table of grants, somebody else's page, or no RAM at all.
    Mfn any_frame(unsigned of) {
        switch (input_.below(8)) {
        case 0:
            return frames_[of][input_.below(tables)];
        case 1:
            return domain(of).grants.frames[0];
        case 2:
            return frames_[input_.below(guests)][input_.below(tables + pages)];
        case 3:
            return Mfn{input_.byte() * std::uint64_t{0x1000001}};
        default:
            return frames_[of][tables + input_.below(pages)];
        }
    }
    // The machine address of a page-table entry.
    std::uint64_t any_entry(unsigned of) {
        return (frames_[of][tables - 1].value() << page_shift) + input_.below(leaves) * 8;
    }
    std::uint64_t any_place(unsigned of) {
        switch (input_.below(8)) {
        case 0:
            return input_.byte() * 0x0101'0101'0101'0101ULL;
        case 1:
            return any_entry(of);
        default:
            return std::uint64_t{input_.below(leaves)} << page_shift;
        }
    }
    domid_t any_domain() {
        return static_cast<domid_t>(input_.below(8) == 0 ? DOMID_SELF : input_.below(guests + 1));
    }
    std::uint32_t any_ref() {
        return input_.below(16) == 0 ? input_.byte() * 0x01010101U : input_.below(refs);
    }
    std::uint32_t any_handle() { return input_.below(leaves * 2); }

    // Batches are of one or two operations: the second repeats the first.
    template<class T>
    void call(unsigned caller, std::uint32_t command, const T& operation) {
        const std::uint32_t count = 1 + input_.below(2);
        for (std::uint32_t i = 0; i < count; ++i)
            world_.put(operation, i * sizeof operation);
        static_cast<void>(
            world_.call<GrantTableOp>(vcpu(caller), command, world_.guest_base, count)); // any answer will do
    }

    void map(unsigned caller) {
        constexpr unsigned flags[] = {GNTMAP_host_map, GNTMAP_host_map | GNTMAP_readonly,
                                      GNTMAP_host_map | GNTMAP_contains_pte, GNTMAP_device_map,
                                      GNTMAP_host_map | GNTMAP_device_map};
        gnttab_map_grant_ref_t operation{};
        operation.flags = flags[input_.below(std::size(flags))] | std::uint32_t{input_.byte()} << 16;
        const bool by_entry = (operation.flags & GNTMAP_contains_pte) != 0 && input_.below(4) != 0;
        operation.host_addr = by_entry ? any_entry(caller) : any_place(caller);
        operation.ref = any_ref();
        operation.dom = any_domain();
        call(caller, GNTTABOP_map_grant_ref, operation);
    }
    // What another guest has lent to this one, which random numbers rarely hit.
    void map_rightly(unsigned caller) {
        constexpr unsigned flags[] = {GNTMAP_host_map, GNTMAP_host_map | GNTMAP_readonly};
        auto& lender = domain(input_.below(guests));
        const auto* const entries = hv::machine::frame_as<grant_entry_v1_t>(lender.grants.frames[0]);
        gnttab_map_grant_ref_t operation{};
        operation.flags = flags[input_.below(std::size(flags))];
        operation.host_addr = std::uint64_t{tables + input_.below(leaves - tables)} << page_shift;
        operation.dom = lender.id.value();
        operation.ref = input_.below(refs);
        for (unsigned i = 0; i < refs && entries[operation.ref].domid != domain(caller).id.value(); ++i)
            operation.ref = (operation.ref + 1) % refs;
        call(caller, GNTTABOP_map_grant_ref, operation);
    }
    void unmap(unsigned caller) {
        gnttab_unmap_grant_ref_t operation{};
        operation.host_addr = any_place(caller);
        operation.dev_bus_addr = std::uint64_t{input_.below(2)} << page_shift;
        operation.handle = any_handle();
        call(caller, GNTTABOP_unmap_grant_ref, operation);
    }
    // With all it needs to succeed, which random numbers rarely have.
    void unmap_rightly(unsigned caller) {
        MapRecord* record = find_record(domain(caller).grants, any_handle());
        if (record == nullptr || record->state == MapRecord::State::free)
            return;
        gnttab_unmap_grant_ref_t operation{};
        operation.handle = static_cast<grant_handle_t>(record - domain(caller).grants.maptrack[0]);
        for (unsigned i = 0; i < leaves; ++i)
            if (entry::frame(world_.machine.words(frames_[caller][tables - 1])[i]) == Mfn{record->frame})
                operation.host_addr = record->by_entry
                                          ? (frames_[caller][tables - 1].value() << page_shift) + i * 8
                                          : std::uint64_t{i} << page_shift;
        if (input_.below(2) != 0)
            operation.dev_bus_addr = std::uint64_t{record->frame} << page_shift;
        if (input_.below(4) == 0)
            operation.host_addr = 0;
        call(caller, GNTTABOP_unmap_grant_ref, operation);
    }
    void replace(unsigned caller) {
        gnttab_unmap_and_replace_t operation{};
        operation.host_addr = any_place(caller);
        operation.new_addr = any_place(caller);
        operation.handle = any_handle();
        call(caller, GNTTABOP_unmap_and_replace, operation);
    }
    void copy(unsigned caller) {
        gnttab_copy_t operation{};
        operation.flags = static_cast<std::uint16_t>(input_.below(5));
        for (auto* side : {&operation.source, &operation.dest}) {
            if (input_.below(2) == 0)
                side->u.ref = any_ref();
            else
                side->u.gmfn = any_frame(caller).value();
            side->domid = any_domain();
            side->offset = static_cast<std::uint16_t>(input_.byte() * 17);
        }
        operation.len = static_cast<std::uint16_t>(input_.byte() * 17);
        call(caller, GNTTABOP_copy, operation);
    }
    void spoil_entry(unsigned caller) {
        auto* entry =
            hv::machine::frame_as<grant_entry_v1_t>(domain(caller).grants.frames[0]) + input_.below(refs);
        entry->flags = static_cast<std::uint16_t>(input_.below(4) == 0 ? input_.byte() : 1U);
        const bool rightly = input_.below(2) == 0; // a page of its own to a guest that there is
        const auto frame = rightly ? frames_[caller][tables + input_.below(pages)] : any_frame(caller);
        entry->domid = rightly ? domain(input_.below(guests)).id.value() : any_domain();
        entry->frame = static_cast<std::uint32_t>(frame.value());
        if ((entry->flags & GTF_type_mask) == GTF_permit_access)
            lent_[{domain(caller).id.value(), entry->domid, entry->frame}] |=
                (entry->flags & GTF_readonly) == 0;
    }
    // The guest writes to its page table itself: its own page, or nothing.
    void write_leaf(unsigned caller) {
        const GuestAddress at{std::uint64_t{input_.below(leaves)} << page_shift};
        const bool writable = input_.below(2) == 0;
        const Mfn frame = frames_[caller][tables + input_.below(pages)];
        if (input_.below(3) == 0) {
            static_cast<void>(replace_leaf(vcpu(caller).tables.kernel_root, at, 0));
        } else if (get_data(frame, domain(caller), writable)) {
            const std::uint64_t entry = frame.value() << page_shift | 5 | (writable ? 2 : 0);
            if (!replace_leaf(vcpu(caller).tables.kernel_root, at, entry))
                put_data(frame, writable);
        }
    }
    void other_calls(unsigned caller) {
        switch (input_.below(4)) {
        case 0:
            call(caller, GNTTABOP_swap_grant_ref, gnttab_swap_grant_ref_t{any_ref(), any_ref(), 0});
            break;
        case 1: {
            gnttab_setup_table_t operation{};
            operation.dom = any_domain();
            operation.nr_frames = input_.below(3);
            operation.frame_list.p = reinterpret_cast<xen_pfn_t*>(world_.guest_base + 4096);
            call(caller, GNTTABOP_setup_table, operation);
            break;
        }
        case 2:
            call(caller, input_.byte(), gnttab_map_grant_ref_t{});
            break;
        default:
            domain(caller).memory.max_metadata = domain(caller).memory.metadata + input_.below(4);
            break;
        }
    }

    void step() {
        const unsigned caller = input_.below(guests);
        world_.machine.preempt_every = input_.below(4);
        const unsigned action = input_.below(12);
        if (dead(caller))
            return;
        switch (action) {
        case 0:
        case 1:
            return map(caller);
        case 2:
            return map_rightly(caller);
        case 3:
            return unmap(caller);
        case 4:
            return unmap_rightly(caller);
        case 5:
            return copy(caller);
        case 6:
        case 7:
            return spoil_entry(caller);
        case 8:
            return write_leaf(caller);
        case 9:
            return replace(caller);
        case 10:
            return other_calls(caller);
        default:
            if (input_.below(16) == 0)
                begin_death(domain(caller));
        }
    }

    // A guest reaches pages of others only where these have lent them to it, as its entries said at some
    // time.
    void judge_reach(unsigned borrower) {
        const auto* const entries = world_.machine.words(frames_[borrower][tables - 1]);
        const auto id = domain(borrower).id;
        for (const auto e : std::span{entries, leaves}) {
            const auto* const frame = entry::is_present(e) ? frame_table().find(entry::frame(e)) : nullptr;
            if (frame == nullptr || !frame->owner.load().is_domain() || frame->belongs_to(Owner{id}))
                continue;
            const auto found =
                lent_.find({frame->owner.load().domain().value(), id.value(), entry::frame(e).value()});
            require(found != lent_.end(), "a guest reaches a page that nobody has lent to it");
            require(found->second || !entry::is_writable(e),
                    "a guest may write a page that it was lent for reading");
        }
    }

    void judge() {
        for (unsigned i = 0; i < guests; ++i)
            if (!dead(i))
                judge_reach(i);
        if (changed_grants_.is_due())
            require(audit_grants() == 0, "use counts and records differ");
        const auto problem = changed_frames_.judge();
        require(problem.empty(), problem.c_str());
    }
    void judge_all() {
        judge();
        require(audit_grants() == 0, "use counts and records differ");
        require(audit() == 0, "the frame audit failed");
    }

    template<class Part>
    static void to_the_end(Part part) {
        test::to_the_end(part, require);
    }

    void begin_death(Domain& dying) {
        dying.life = control::Life::dying;
        world_.machine.preempt_every = 2 + input_.below(4);
        to_the_end([&] { return relinquish_grants(dying); });
        require(dying.grants.uses == 0 && dying.grants.mappings == 0,
                "something is left of a dead domain's grants");
        judge();
        to_the_end([&] { return test::unless_busy(relinquish_memory(dying)); }); // others map its pages still
        judge_all();
    }

    void finish_death(Domain& dead) {
        world_.machine.preempt_every = 3;
        to_the_end([&] { return relinquish_memory(dead); });
        to_the_end([&] { return free_grants(dead); });
        to_the_end([&] { return close_all_ports(dead); });
        require(frame_table().take_back(dead.shared_frame).has_value(), "the shared page is still in use");
        frame_table().free_for_hypervisor(dead.shared_frame);
        require(dead.memory.metadata == 0, "metadata is left");
    }

    test::World world_{128};
    test::ChangedFrames changed_frames_;
    test::ChangedGrants changed_grants_;
    test::Input input_;
    std::uint64_t free_at_start_;
    Mfn frames_[guests][tables + pages]{};
    // Lender, borrower, frame: lent at some time; true: also for writing.
    std::map<std::tuple<std::uint16_t, std::uint16_t, std::uint64_t>, bool> lent_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Run{std::span{data, std::min<std::size_t>(size, 4096)}}.go();
    return 0;
}
