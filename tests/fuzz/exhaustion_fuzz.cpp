// Hostile guests that make the hypervisor allocate: ports, grant tables, map records, memory. Each input runs
// once to count its allocations, and then once for each of them, which fails. After every step both audits
// must agree, no section, holding of a lock or hook of the policy of memory may be long, and at the end every
// page must have come back.

#include "hv/base/lock.hpp"
#include "hv/calls/event.hpp"
#include "hv/calls/grant.hpp"
#include "hv/calls/memory.hpp"
#include "hv/grant/map.hpp"
#include "hv/mm/paging.hpp"
#include "tests/fuzz/allocations.hpp"
#include "tests/fuzz/blocks.hpp"
#include "tests/fuzz/counted_memory_policy.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/to_the_end.hpp"
#include "tests/unit/event_world.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace bulkhead::hv {

namespace {
test::CountedMemoryPolicy* policy = nullptr; // of the run
}

namespace memory_policy {
std::uint64_t grant(Domain& domain, std::uint64_t, std::uint64_t frames) {
    return policy->has(domain) ? policy->grant(domain, frames) : frames;
}
void settle(Domain& domain, std::uint64_t) {
    if (policy->has(domain))
        policy->settle(domain);
}
} // namespace memory_policy

namespace {

void require(bool good, const char* what) {
    if (good)
        return;
    std::fprintf(stderr, "exhaustion_fuzz: %s (allocation %llu failed)\n", what,
                 static_cast<unsigned long long>(test::allocations().fails));
    std::abort();
}

constexpr unsigned guests = 3, tables = 4, refs = 8, extents = 4;
// Basic blocks: what was seen, and a quarter more.
constexpr std::uint64_t longest_section = 4'000, longest_hold = 3'500, longest_hook = 40;
constexpr std::size_t longest_input = 160; // bytes; each allocation is a run
constexpr std::uint64_t frames_of_machine = 512;

// The holding of each lock that takes longest.
constexpr auto ranks = static_cast<std::size_t>(Rank::end);
std::array<std::uint64_t, ranks> taken_at{};
std::uint64_t longest_hold_seen = 0;

void observe(Rank rank, bool taken) {
    auto& since = taken_at[static_cast<std::size_t>(rank)];
    if (taken)
        since = test::blocks;
    else
        longest_hold_seen = std::max(longest_hold_seen, test::blocks - since);
}

class Run {
  public:
    Run(std::span<const std::uint8_t> bytes, std::uint64_t failing)
        : input_{bytes}, free_at_start_{frame_table().free_frames()} {
        for (auto& frames : frames_)
            furnish(frames, world_.add_domain("guest", 1, &frames == frames_));
        policy = &policy_;
        lock_order::observer = observe;
        longest_hold_seen = test::longest_hook_seen = 0;
        test::fail_in(failing);
        world_.machine.on_question = [this] { end_section(); };
    }

    ~Run() {
        lock_order::observer = nullptr;
        policy = nullptr;
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    // How many allocations the steps made.
    std::uint64_t go() {
        while (!input_.empty()) {
            step(below(guests));
            judge();
        }
        world_.machine.on_question = nullptr;
        const auto made = test::allocations().made;
        test::allocations().made = test::allocations().fails; // none fails from here on
        for (auto& domain : world_.domains)
            begin_death(*domain);
        for (auto& domain : world_.domains)
            finish_death(*domain);
        require(frame_table().free_frames() == free_at_start_, "a page was lost");
        return made;
    }

  private:
    std::uint32_t below(std::uint32_t limit) { return input_.below(limit); }
    Domain& domain(unsigned i) { return *world_.domains[i]; }
    Vcpu& vcpu(unsigned i) { return *domain(i).vcpus[0]; }

    void furnish(Mfn (&frames)[tables], Domain& owner) {
        for (auto& frame : frames)
            frame = frame_table().allocate(owner).value();
        for (unsigned level = 0; level + 1 < tables; ++level)
            world_.machine.words(frames[level])[0] = frames[level + 1].value() << page_shift | 7;
        require(set_kernel_root(*owner.vcpus[0], frames[0], false).has_value(), "no address space");
    }

    template<class Call, class T>
    HypercallResult call(unsigned caller, std::uint32_t command, const T& argument, std::uint64_t count = 1) {
        const auto at = world_.put(argument);
        section_ = test::blocks;
        const auto result = world_.call<Call>(vcpu(caller), command, at, count);
        end_section();
        return result;
    }
    // Between two preemption points, or one and an end of a call.
    void end_section() {
        require(test::blocks - section_ <= longest_section, "a long section without a preemption point");
        section_ = test::blocks;
    }

    // Hundreds of ports, so that their table grows by pages.
    void take_ports(unsigned caller) {
        const auto count = 1 + below(64) * 4;
        for (std::uint32_t i = 0; i < count; ++i) {
            evtchn_alloc_unbound_t argument{};
            argument.dom = DOMID_SELF;
            argument.remote_dom = static_cast<domid_t>(below(guests));
            if (!call<EventChannelOp>(caller, EVTCHNOP_alloc_unbound, argument))
                return;
        }
    }
    void bind(unsigned caller) {
        evtchn_bind_interdomain_t argument{};
        argument.remote_dom = static_cast<domid_t>(below(guests));
        argument.remote_port = below(64);
        static_cast<void>(call<EventChannelOp>(caller, EVTCHNOP_bind_interdomain, argument));
    }
    void close(unsigned caller) {
        static_cast<void>(call<EventChannelOp>(caller, EVTCHNOP_close, evtchn_close_t{.port = below(256)}));
    }

    void grow_grants(unsigned caller) {
        if (domain(caller).grants.frame_count == 0) {
            static_cast<void>(start_grants(domain(caller)));
            return;
        }
        gnttab_setup_table_t argument{};
        argument.dom = DOMID_SELF;
        argument.nr_frames = 1 + below(8);
        argument.frame_list.p = reinterpret_cast<xen_pfn_t*>(world_.guest_base + 4096);
        static_cast<void>(call<GrantTableOp>(caller, GNTTABOP_setup_table, argument));
    }
    void lend_and_map(unsigned caller) {
        const auto lender = below(guests);
        const auto ref = below(refs);
        if (domain(lender).grants.frame_count == 0)
            return;
        auto* const entry = hv::machine::frame_as<grant_entry_v1_t>(domain(lender).grants.frames[0]) + ref;
        *entry = {.flags = GTF_permit_access,
                  .domid = domain(caller).id.value(),
                  .frame = static_cast<std::uint32_t>(any_page(lender).value())};
        gnttab_map_grant_ref_t argument{};
        argument.flags = GNTMAP_host_map;
        argument.host_addr = std::uint64_t{below(32)} << page_shift;
        argument.ref = ref;
        argument.dom = domain(lender).id.value();
        static_cast<void>(call<GrantTableOp>(caller, GNTTABOP_map_grant_ref, argument));
    }
    void unmap(unsigned caller) {
        gnttab_unmap_grant_ref_t argument{};
        argument.host_addr = std::uint64_t{below(32)} << page_shift;
        argument.handle = below(16);
        static_cast<void>(call<GrantTableOp>(caller, GNTTABOP_unmap_grant_ref, argument));
    }

    // A page that the guest holds, or a table if it has none beside.
    Mfn any_page(unsigned of) { return held_[of][below(extents)]; }
    void take_memory(unsigned caller) {
        const auto count = 1 + below(extents);
        auto* const list = numbers(0);
        xen_memory_reservation_t argument{};
        argument.extent_start.p = list;
        argument.nr_extents = count;
        argument.extent_order = below(3);
        argument.domid = DOMID_SELF;
        const auto got = call<MemoryOp>(caller, XENMEM_increase_reservation, argument);
        for (std::uint64_t i = 0; got && i < static_cast<std::uint64_t>(*got); ++i)
            held_[caller][i] = Mfn{list[i]};
    }
    void give_memory(unsigned caller) {
        auto* const list = numbers(0);
        list[0] = any_page(caller).value();
        xen_memory_reservation_t argument{};
        argument.extent_start.p = list;
        argument.nr_extents = 1;
        argument.domid = DOMID_SELF;
        static_cast<void>(call<MemoryOp>(caller, XENMEM_decrease_reservation, argument));
    }
    void exchange(unsigned caller) {
        auto* const in = numbers(0);
        auto* const out = numbers(extents);
        in[0] = any_page(caller).value();
        out[0] = below(64);
        xen_memory_exchange_t argument{};
        argument.in.extent_start.p = in;
        argument.in.nr_extents = 1;
        argument.in.domid = DOMID_SELF;
        argument.out.extent_start.p = out;
        argument.out.nr_extents = 1;
        argument.out.domid = DOMID_SELF;
        static_cast<void>(call<MemoryOp>(caller, XENMEM_exchange, argument));
    }
    std::uint64_t* numbers(std::size_t from) {
        return reinterpret_cast<std::uint64_t*>(world_.guest.data() + 8192) + from;
    }

    void step(unsigned caller) {
        world_.machine.preempt_every = below(4);
        using Step = void (Run::*)(unsigned);
        constexpr Step steps[] = {&Run::take_ports,   &Run::bind,         &Run::close, &Run::grow_grants,
                                  &Run::lend_and_map, &Run::lend_and_map, &Run::unmap, &Run::take_memory,
                                  &Run::give_memory,  &Run::exchange};
        (this->*steps[below(std::size(steps))])(caller);
    }

    void judge() {
        policy_.rebalance();
        require(longest_hold_seen <= longest_hold, "a lock is held for long");
        require(test::longest_hook_seen <= longest_hook, "a hook of the policy of memory takes long");
        lock_order::observer = nullptr; // audits are no work for guests
        judge_all();
        lock_order::observer = observe;
    }
    void judge_all() {
        require(audit_grants() == 0, "use counts and records differ");
        require(audit() == 0, "the frame audit failed");
    }

    template<class Part>
    static void to_the_end(Part part) {
        test::to_the_end(part, require);
    }

    void begin_death(Domain& dying) {
        dying.life = control::Life::dying;
        policy_.depart(dying);
        to_the_end([&] { return relinquish_grants(dying); });
        to_the_end([&] { return test::unless_busy(relinquish_memory(dying)); }); // others map its pages still
        judge();
    }
    void finish_death(Domain& dead) {
        to_the_end([&] { return relinquish_memory(dead); });
        to_the_end([&] { return free_grants(dead); });
        to_the_end([&] { return close_all_ports(dead); });
        require(frame_table().take_back(dead.shared_frame).has_value(), "the shared page is still in use");
        frame_table().free_for_hypervisor(dead.shared_frame);
        require(dead.memory.metadata == 0, "metadata is left");
    }

    test::World world_{frames_of_machine};
    test::CountedMemoryPolicy policy_{guests, frames_of_machine};
    test::Input input_;
    std::uint64_t section_ = 0; // when the present one began
    std::uint64_t free_at_start_;
    Mfn frames_[guests][tables]{};
    Mfn held_[guests][extents]{};
};

} // namespace

} // namespace bulkhead::hv

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using bulkhead::hv::Run;
    const std::span bytes{data, std::min(size, bulkhead::hv::longest_input)};
    const auto allocations = Run{bytes, 0}.go();
    for (std::uint64_t failing = 1; failing <= allocations; ++failing)
        static_cast<void>(Run{bytes, failing}.go());
    return 0;
}
