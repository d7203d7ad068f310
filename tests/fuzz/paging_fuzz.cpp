// Random guests against direct paging: sequences of hypercalls, memory writes, preemptions, abandoned
// continuations and deaths. After every part of every call what it changed is judged, and what a processor
// could reach; now and then and at the end, audit() judges all.
#include "hv/calls/descriptors.hpp"
#include "hv/calls/memory.hpp"
#include "hv/calls/mmu.hpp"
#include "hv/calls/mmuext.hpp"
#include "hv/mm/walk.hpp"
#include "tests/fuzz/changes.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/paging_oracle.hpp"
#include "tests/unit/mm_world.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>

using namespace bulkhead;
using namespace bulkhead::hv;
using namespace bulkhead::hv::host;

namespace {

constexpr std::uint64_t ram = 46; // little enough that freed frames are soon used again
constexpr std::uint64_t quota = 28;
constexpr unsigned steps_between_audits = 64; // on average
constexpr unsigned window = 11;               // of an L4 at first: shows its own tables

class Run {
  public:
    explicit Run(std::span<const std::uint8_t> bytes) : input_{bytes} {
        world_.machine.on_flush = [this] { oracle_.flushed(); };
        narrow_ = input_.byte();
        for (int i = 0; i < 3; ++i)
            furnish(world_.add_domain(quota));
        switch_to(1);
    }
    ~Run() {
        switch_to(0);
        world_.machine.on_flush = nullptr;
        world_.machine.root = {};
        world_.machine.preempt_every = 0;
    }

    void go() {
        while (!input_.empty()) {
            const bool all = input_.peek() % steps_between_audits == 0;
            step();
            all ? judge_all() : judge();
        }
        judge_all();
    }

  private:
    // Which of the domains have 32 bits; in every second run, none.
    bool is_narrow(const Domain& domain) const {
        return narrow_ % 2 != 0 && (narrow_ >> (1 + domain.id.value()) & 1) != 0;
    }

    // A domain starts with a running address space and some untyped frames, as a builder would leave it.
    void furnish(Domain& domain) {
        domain.pae = domain.vcpus[0]->processor.pae = is_narrow(domain);
        if (domain.pae)
            domain.memory.max_metadata = 4;
        std::array<Mfn, 12> frames;
        for (auto& mfn : frames) {
            const auto allocated = frame_table().allocate(domain);
            if (!allocated)
                return; // the others have it all: the domain stays without an address space
            mfn = *allocated;
        }
        if (domain.pae) { // the L2 of the first GiB, its L1, and the L2 of the last
            words(frames[0])[0] = frames[1].value() << page_shift | entry::present;
            words(frames[0])[3] = frames[2].value() << page_shift | entry::present;
            words(frames[1])[0] = table_entry(frames[3]);
        } else {
            words(frames[0])[0] = table_entry(frames[1]);
            words(frames[1])[0] = table_entry(frames[2]);
            words(frames[2])[0] = table_entry(frames[3]);
            words(frames[0])[window] = readonly_entry(frames[0]);
        }
        for (unsigned i = 0; i < 12; ++i)
            words(frames[3])[i] = i < 4 ? readonly_entry(frames[i]) : writable_entry(frames[i]);
        const auto start = [&] {
            return domain.pae ? set_pae_root(*domain.vcpus[0], frames[0], false)
                              : set_kernel_root(*domain.vcpus[0], frames[0], false);
        };
        auto started = start();
        while (!started && started.error() == Error::restart)
            started = start();
        if (!started &&
            !(domain.pae && started.error() == Error::no_memory)) // for its own page above the root
            std::abort();
    }

    std::uint64_t* words(Mfn mfn) { return world_.machine.words(mfn); }
    Domain& self() { return *find_domain(DomainId{current_}); }
    Vcpu& vcpu() { return *self().vcpus[0]; }
    std::uint16_t any_domain() { return static_cast<std::uint16_t>(input_.below(4)); }
    // Mostly one of the first frames of the caller, otherwise any number up to a little beyond the end of
    // RAM.
    Mfn any_frame() {
        const auto choice = input_.byte();
        if (choice >= 208)
            return Mfn{input_.below(ram + 2)};
        Mfn mfn{self().memory.frames.first};
        for (auto i = choice % 13; i > 0 && mfn != Mfn{}; --i)
            mfn = Mfn{frame_table().at(mfn).next};
        return mfn;
    }
    // An L1 in use, if any_frame() finds none.
    Mfn any_table() {
        const auto mfn = any_frame();
        const auto* frame = frame_table().find(mfn);
        if (frame != nullptr && frame->validated())
            return mfn;
        const auto found = walk(vcpu().tables.kernel_root, GuestAddress{0});
        return found.l1 != Mfn{} ? found.l1 : mfn;
    }
    unsigned any_index() {
        constexpr std::array<unsigned, 16> places{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 256, 271, 300, 511};
        return places[input_.below(places.size())];
    }
    std::uint64_t any_entry() {
        constexpr std::array<std::uint64_t, 8> flags{0, 5, 7, 7, 5, 0x187, 1ULL << 63 | 0x67, 0x1b};
        const auto mfn = any_frame();
        return mfn.value() << page_shift | flags[input_.below(flags.size())];
    }
    // An entry for the table itself, or for another one that is pinned as its level.
    std::uint64_t linear_entry(Mfn table, unsigned choice) {
        const auto is_alike = [&](Mfn mfn) {
            return mfn != table && frame_table().at(mfn).type() == frame_table().at(table).type();
        };
        Mfn found = table;
        if (choice % 2 != 0 && frame_table().find(table) != nullptr)
            for (Mfn mfn{self().memory.frames.first}; mfn != Mfn{}; mfn = Mfn{frame_table().at(mfn).next})
                if (is_alike(mfn) && (found == table || choice / 2 % 2 != 0)) // the first or the last one
                    found = mfn;
        return readonly_entry(found);
    }
    std::uint32_t any_owners() {
        const auto choice = input_.byte();
        if (choice < 160)
            return DOMID_SELF;
        return (choice & 3U) | ((choice & 8) != 0 ? ((choice >> 4 & 3U) + 1) << 16 : 0);
    }

    void switch_to(std::uint16_t id) {
        current_ = id;
        machine::load_root(vcpu().tables.kernel_root);
    }

    void judge() {
        auto problem = oracle_.check();
        if (problem.empty())
            problem = changed_.judge();
        if (problem.empty())
            problem = judge_walks();
        require(problem);
    }
    void judge_all() {
        judge();
        require(audit() == 0 ? "" : "the audit found violations");
    }
    void require(const std::string& problem) const {
        if (problem.empty())
            return;
        std::fprintf(stderr, "%s\n%s", problem.c_str(), world_.machine.console.c_str());
        std::abort();
    }

    // Through linear entries to each level of the caller's tables, also to the hypervisor's slots there.
    std::string judge_walks() {
        constexpr std::array<std::uint64_t, 4> ends{0, window, entry::hypervisor_first,
                                                    entry::hypervisor_last};
        for (const auto first : {std::uint64_t{0}, std::uint64_t{window}})
            for (const auto second : ends)
                for (const auto third : ends)
                    for (const auto fourth : ends) {
                        const GuestAddress at{first << 39 | second << 30 | third << 21 | fourth << 12};
                        if (auto problem = test::wrong_walk(vcpu().tables.kernel_root, at); !problem.empty())
                            return problem;
                    }
        return {};
    }

    // Some calls are dropped in the middle: a guest need not continue what it began.
    template<class H>
    void hypercall(std::array<std::uint64_t, 6> values) {
        HypercallArguments arguments{values};
        const auto patience = input_.byte();
        const int parts = patience < 32 ? patience % 4 + 1 : 100'000;
        for (int i = 0; i < parts; ++i) {
            HypercallContext context{vcpu(), self(), arguments};
            const auto result = H::decode(arguments).run(context);
            if (result || result.error() != Error::restart)
                return;
            judge();
        }
        if (parts == 100'000) {
            std::fprintf(stderr, "%s never ends\n", H::name);
            std::abort();
        }
    }

    void update_entries() {
        std::array<mmu_update_t, 4> requests{};
        const auto count = input_.below(4) + 1;
        for (auto& r : std::span{requests}.first(count)) {
            const auto table = any_table();
            const auto index = any_index();
            const auto command = input_.byte();
            const auto value = any_entry();
            r = {.ptr = table.value() << page_shift | index * 8 | (command < 200 ? 0 : command & 3U),
                 .val = command < 160 ? value : linear_entry(table, command)};
        }
        hypercall<MmuUpdate>({address(requests.data()), count, 0, any_owners()});
    }

    // A page is mapped for reading only, cleared and pinned as an upper table, of which there are several
    // then.
    void make_table() {
        const auto mfn = any_frame();
        const auto l1 = walk(vcpu().tables.kernel_root, GuestAddress{0}).l1;
        const auto* const frame = frame_table().find(mfn);
        if (l1 == Mfn{} || frame == nullptr || !frame->belongs_to(Owner{DomainId{current_}}))
            return;
        if (frame->type() == FrameType::writable && !frame->partial())
            std::fill_n(words(mfn), 512, 0);
        for (unsigned i = 0; i < 512; ++i)
            if (const auto e = words(l1)[i]; entry::is_writable(e) && entry::frame(e) == mfn) {
                mmu_update_t request{.ptr = l1.value() << page_shift | i * 8, .val = readonly_entry(mfn)};
                hypercall<MmuUpdate>({address(&request), 1, 0, DOMID_SELF});
            }
        const auto level = static_cast<unsigned>(input_.below(3));
        extend(self().pae ? MMUEXT_PIN_L1_TABLE + level : MMUEXT_PIN_L2_TABLE + level, mfn.value(), 0,
               DOMID_SELF);
        if (frame->validated() && input_.below(2) == 0) {
            mmu_update_t request{.ptr = mfn.value() << page_shift | any_index() * 8,
                                 .val = linear_entry(mfn, input_.byte())};
            hypercall<MmuUpdate>({address(&request), 1, 0, DOMID_SELF});
        }
    }

    GuestAddress any_address() {
        const auto choice = input_.byte();
        const bool common = choice < 200;  // below the first entry of each table, where address spaces begin
        const bool within = choice >= 240; // a window that shows tables
        const std::uint64_t l4 = common   ? 0
                                 : within ? window
                                          : any_index(),
                            l3 = within   ? any_index()
                                 : common ? 0
                                          : choice % 4,
                            l2 = within   ? any_index()
                                 : common ? 0
                                          : choice / 4 % 4,
                            l1 = any_index();
        const auto at = l4 << 39 | l3 << 30 | l2 << 21 | l1 << 12;
        if (self().pae)
            return GuestAddress{at & 0xffffffff};
        return GuestAddress{l4 >= 256 ? at | 0xffff000000000000 : at};
    }

    void update_mapping() {
        const auto at = any_address();
        const auto entry = any_entry();
        const std::uint64_t flags = input_.below(3) | UVMF_ALL,
                            owner = input_.byte() < 200 ? DOMID_SELF : any_domain();
        if (self().pae)
            return hypercall<PaeUpdateVaMappingOtherdomain>(
                {at.value(), entry & 0xffffffff, entry >> 32, flags, owner});
        hypercall<UpdateVaMappingOtherdomain>({at.value(), entry, flags, owner});
    }

    // In the width of the caller.
    void extend(unsigned command, std::uint64_t first, std::uint64_t second, std::uint16_t owner) {
        if (self().pae) {
            const pae_abi::MmuextOp op{command, static_cast<std::uint32_t>(first),
                                       static_cast<std::uint32_t>(second)};
            return hypercall<PaeMmuextOp>({address(&op), 1, 0, owner});
        }
        mmuext_op_t op{};
        op.cmd = command;
        op.arg1.mfn = first;
        op.arg2.src_mfn = second;
        hypercall<MmuextOp>({address(&op), 1, 0, owner});
    }

    void extended() {
        const auto choice = input_.byte();
        const unsigned command = choice < 128 ? choice % (MMUEXT_NEW_BASEPTR + 1) : choice % 22;
        const auto first =
            command == MMUEXT_SET_LDT ? any_address().value() & ~0xfffULL : any_frame().value();
        auto second = command == MMUEXT_SET_LDT ? input_.below(2) * 513 : any_frame().value();
        if (command == MMUEXT_TLB_FLUSH_MULTI || command == MMUEXT_INVLPG_MULTI)
            second = 0; // no mask
        extend(command, first, second, input_.byte() < 200 ? std::uint16_t{DOMID_SELF} : any_domain());
    }

    void reserve() {
        std::array<std::uint64_t, 4> list{};
        for (auto& extent : list)
            extent = any_frame().value();
        constexpr std::array<unsigned, 3> commands{XENMEM_populate_physmap, XENMEM_decrease_reservation,
                                                   XENMEM_increase_reservation};
        const auto command = commands[input_.below(3)];
        xen_memory_reservation_t request{};
        request.extent_start.p = list.data();
        request.nr_extents = input_.below(4) + 1;
        request.extent_order = static_cast<unsigned>(input_.below(4) / 3 * input_.below(3));
        request.domid = input_.byte() < 200 ? std::uint16_t{DOMID_SELF} : any_domain();
        hypercall<MemoryOp>({command, address(&request)});
    }

    void exchange() {
        std::array<std::uint64_t, 2> in{any_frame().value(), any_frame().value()}, out{1, 2};
        xen_memory_exchange_t request{};
        request.in.extent_start.p = in.data();
        request.out.extent_start.p = out.data();
        request.in.nr_extents = request.out.nr_extents = 2;
        request.in.domid = request.out.domid = DOMID_SELF;
        hypercall<MemoryOp>({XENMEM_exchange, address(&request)});
    }

    void descriptors() {
        std::array<std::uint64_t, 3> frames{};
        for (auto& frame : frames)
            frame = any_frame().value();
        const auto entries = input_.below(4) * 512;
        if (input_.byte() < 128) {
            std::array<std::uint32_t, 3> narrow{};
            std::ranges::copy(frames, narrow.begin());
            return self().pae ? hypercall<PaeSetGdt>({address(narrow.data()), entries})
                              : hypercall<SetGdt>({address(frames.data()), entries});
        }
        const auto at = frames[0] << page_shift | input_.below(32) * 8;
        const auto descriptor = 0x00cf92000000ffff | any_entry();
        if (self().pae)
            return hypercall<PaeUpdateDescriptor>(
                {at & 0xffffffff, at >> 32, descriptor & 0xffffffff, descriptor >> 32});
        hypercall<UpdateDescriptor>({at, descriptor});
    }

    // The guest writes to its memory; only what no table is can be writable to it.
    void write() {
        const auto mfn = any_frame();
        const auto* frame = frame_table().find(mfn);
        if (frame == nullptr || !frame->belongs_to(Owner{DomainId{current_}}) || frame->partial() ||
            (frame->type_references() != 0 && frame->type() != FrameType::writable))
            return;
        auto value = any_entry();
        const auto index = any_index();
        const auto how = input_.byte();
        if (how % 8 == 0)
            value = readonly_entry(mfn); // if it becomes an upper table, a linear entry
        words(mfn)[index] = value;
        if (how >= 200) // many alike, so that validation is long enough to be interrupted
            for (unsigned i = 8; i < 8U + how; ++i)
                words(mfn)[i] = value;
    }

    void emulated_write() {
        const auto at = any_address();
        const auto offset = any_index() * 8;
        const auto result = emulate_pte_write(vcpu(), GuestAddress{at.value() + offset}, any_entry(), 8);
        static_cast<void>(result);
    }

    // What grant mapping does: a frame of one domain appears in another, and goes.
    void lend() {
        auto* lender = find_domain(DomainId{any_domain()});
        const auto mfn = any_frame();
        const auto at = any_address();
        const bool writable = input_.byte() < 128;
        if (lender == nullptr || !get_data(mfn, *lender, writable))
            return;
        if (!replace_leaf(vcpu().tables.kernel_root, at,
                          writable ? writable_entry(mfn) : readonly_entry(mfn)))
            put_data(mfn, writable);
    }

    // The processor marks the entries that it walks, whenever it likes.
    void processor_marks() {
        const auto at = any_address();
        const auto found = walk(vcpu().tables.kernel_root, at);
        if (!found.ok())
            return;
        auto table = vcpu().tables.kernel_root;
        for (unsigned level = 4; level > 0; --level) {
            auto& e = words(table)[table_index(level, at)];
            e |= entry::accessed;
            table = entry::frame(e);
        }
        if (entry::is_writable(found.leaf()) && found.l1 != Mfn{})
            words(found.l1)[found.l1_index] |= entry::dirty;
    }

    void die() {
        switch_to(0);
        auto* domain = find_domain(DomainId{2});
        Result<> outcome = relinquish_memory(*domain);
        while (!outcome && outcome.error() == Error::restart) {
            judge();
            outcome = relinquish_memory(*domain);
        }
        judge();
        half_dead_ = !outcome;
        if (outcome && world_.remove_domain(*domain))
            furnish(world_.add_domain(quota));
    }

    void step() {
        switch (input_.below(16)) {
        case 0:
        case 1:
        case 2:
            return update_entries();
        case 3:
        case 4:
            return update_mapping();
        case 5:
        case 6:
            return extended();
        case 7:
            return reserve();
        case 8:
            return descriptors();
        case 9:
        case 10:
            return write();
        case 11:
            return emulated_write();
        case 12:
            return lend();
        case 13:
            world_.machine.preempt_every = input_.below(6);
            return;
        case 14: {
            const auto choice = input_.byte();
            if (choice < 180)
                return switch_to(static_cast<std::uint16_t>(half_dead_ ? choice % 2 : choice % 3));
            return choice < 200 ? exchange() : choice < 220 ? processor_marks() : die();
        }
        default:
            return make_table();
        }
    }

    World world_{ram};
    test::ChangedFrames changed_;
    test::Oracle oracle_{[this] { return world_.machine.root; }, [this] { return self().pae; }};
    test::Input input_;
    unsigned narrow_ = 0; // see is_narrow
    std::uint16_t current_ = 0;
    bool half_dead_ = false; // domain 2 waits for others to let go of its frames
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Run{{data, size}}.go();
    return 0;
}
