#include "hv/domain/life.hpp"

#include "abi/promise.hpp"
#include "hv/arch/descriptors.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/domain/storage.hpp"
#include "hv/domain/table.hpp"
#include "hv/domain/vcpu_slots.hpp"
#include "hv/io/block.hpp"
#include "hv/io/console.hpp"
#include "hv/io/net.hpp"
#include "hv/mm/paging.hpp"
#include "hv/plugin/memory_policy.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/trace.hpp"
#include "hv/trap/cpu_policy.hpp"
#include "hv/trap/trap.hpp"
#include "sched/contract.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <span>

extern "C" {
#include <xen/sched.h>
}

namespace bulkhead::hv {

namespace {

static_assert(sizeof(Vcpu) <= page_bytes);

void start_fpu_state(std::byte* area) {
    const std::uint16_t control_word = 0x37f;
    const std::uint32_t mxcsr = 0x1f80;
    std::memcpy(area, &control_word, sizeof control_word);
    std::memcpy(area + 24, &mxcsr, sizeof mxcsr);
}

Result<> create_vcpu(Domain& domain, std::uint32_t index) {
    const auto page = domain.allocate_metadata();
    if (!page)
        return fail(page.error());
    auto& vcpu = *::new (*page) Vcpu{};
    {
        const LockGuard run{run_lock()}; // the scheduler goes through the list
        domain.vcpus[index] = &vcpu;
    }
    vcpu.domain = &domain;
    vcpu.service.payer = &domain;
    vcpu.service.account = domain.ledger;
    vcpu.id = VcpuId{static_cast<std::uint16_t>(index)};
    vcpu.who = {domain.id, vcpu.id};
    vcpu.processor.in_kernel = true;
    vcpu.sched.affinity = ~std::uint64_t{0};
    vcpu.processor.cr4 = first_cr4();
    vcpu.processor.pae = domain.pae;
    vcpu.runstate.state = RUNSTATE_offline;
    vcpu.runstate.since = machine::now();
    vcpu.info = &domain.shared->vcpu_info[index];
    publish_time(vcpu);
    const auto fpu = domain.allocate_metadata();
    if (!fpu)
        return fail(fpu.error());
    vcpu.processor.fpu_state = static_cast<std::byte*>(*fpu);
    start_fpu_state(vcpu.processor.fpu_state);
    const auto slot = take_vcpu_slot(vcpu);
    if (!slot)
        return fail(slot.error());
    if (const auto prepared = prepare_descriptor_area(*slot, domain.pae); !prepared) {
        free_vcpu_slot(*slot);
        return prepared;
    }
    vcpu.sched.slot = *slot;
    vcpu.tables.gdt_slot = domain.pae ? *slot : 0;
    start_timers(vcpu);
    return attach_vcpu(vcpu);
}

Result<> share_info_page(Domain& domain) {
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame)
        return fail(frame.error());
    domain.shared_frame = *frame;
    domain.shared = machine::frame_as<shared_info_t>(*frame);
    for (auto& info : domain.shared->vcpu_info)
        info.evtchn_upcall_mask = 1;
    frame_table().share(*frame, domain);
    publish_wall_clock(domain);
    return {};
}

} // namespace

Result<> furnish_domain(Domain& domain, const DomainSpec& spec) {
    BULKHEAD_TRY(frame_table().promise(domain.memory, std::min(spec.frames, spec.max_frames),
                                       promise::metadata(spec.frames, spec.vcpus)));
    BULKHEAD_TRY(share_info_page(domain));
    BULKHEAD_TRY(domain.events.start(domain));
    BULKHEAD_TRY(start_grants(domain));
    domain.vcpu_count = spec.vcpus;
    BULKHEAD_TRY(memory_policy::admit(domain, spec.memory_values));
    trace_event(trace::Event::domain_create, domain, domain.memory.max_frames, domain.sched.weight);
    return {};
}

namespace {

// It is detached: stop_all saw to that.
void take_vcpu_away(Domain& domain, Vcpu& vcpu) {
    {
        const LockGuard run{run_lock()};
        domain.vcpus[vcpu.id.value()] = nullptr;
    }
    for (auto* handlers : {vcpu.entries.handlers, vcpu.entries.pae.handlers})
        if (handlers != nullptr)
            domain.free_metadata(handlers);
    if (vcpu.sched.slot != 0) {
        machine::map_descriptors(vcpu.sched.slot, false, nullptr, 0);
        machine::map_descriptors(vcpu.sched.slot, true, nullptr, 0);
        free_vcpu_slot(vcpu.sched.slot);
    }
    if (vcpu.processor.fpu_state != nullptr)
        domain.free_metadata(vcpu.processor.fpu_state);
    domain.free_metadata(&vcpu);
}

Result<> take_vcpus_away(Domain& domain) {
    if (domain.ledger != nullptr)
        close_ledger_entry(domain); // while they can still tell how long they waited
    for (std::uint32_t i = 0; i < domain.vcpu_count; ++i) {
        if (domain.vcpus[i] == nullptr)
            continue;
        take_vcpu_away(domain, *domain.vcpus[i]);
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

// The first of a destruction's steps. The domain is left to die, with all that it owns.
void begin_death(Domain& domain) {
    domain.memory.frames_to_return = domain.memory.frames.count;
    trace_event(trace::Event::domain_destroy, domain, domain.memory.frames_to_return, 0);
    if (domain.life != control::Life::shut_down)
        domain.shutdown_reason = SHUTDOWN_poweroff;
    domain.life = control::Life::dying;
    frame_table().end_promise(domain.memory);
}

// False while it runs on a pCPU, which is asked to stop it. A queued one leaves its queue.
bool stop_vcpu(Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    reconsider(vcpu);
    stop_timers(vcpu);
    return detach_vcpu(vcpu).has_value();
}

// Answers restart until no vCPU is left with the scheduler: a domain's page tables must not be in force while
// they are taken apart.
Result<> stop_all(Domain& domain) {
    if (domain.life != control::Life::dying) {
        const LockGuard run{run_lock()};
        begin_death(domain);
    }
    bool all_stopped = true;
    for (Vcpu* vcpu : std::span{domain.vcpus}.first(domain.vcpu_count)) {
        if (vcpu == nullptr || vcpu->sched.policy == nullptr)
            continue;
        all_stopped &= stop_vcpu(*vcpu);
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    if (!all_stopped)
        return fail(Error::restart);
    return {};
}

} // namespace

Result<Domain*> create_domain(const DomainSpec& spec) {
    if (spec.vcpus == 0 || spec.vcpus > max_vcpus)
        return fail(Error::invalid);
    const auto seat = free_seat();
    if (!seat)
        return fail(seat.error());
    const auto made = make_domain(seat->slot);
    if (!made)
        return fail(made.error());
    auto& domain = **made;
    domain.id = seat->id;
    domain.sched.slot = seat->slot;
    std::memcpy(domain.name, spec.name, sizeof domain.name - 1);
    domain.privileged = spec.privileged;
    domain.pae = spec.pae;
    domain.life = control::Life::paused;
    domain.sched.pause_count = 1;
    domain.memory.max_frames = spec.max_frames;
    domain.memory.max_metadata = promise::metadata_limit(spec.vcpus);
    domain.sched.weight = spec.weight != 0 ? spec.weight : sched::default_weight;
    domain.sched.cap = spec.cap;
    domain.sched.share = spec.share;
    domain.sched.has_values = spec.sched_values != nullptr;
    if (domain.sched.has_values)
        std::ranges::copy_n(spec.sched_values, std::ssize(domain.sched.values), domain.sched.values);
    domain.time = spec.time;
    const auto entry = open_ledger_entry(domain);
    if (!entry) {
        free_domain(domain);
        return fail(entry.error());
    }
    domain.ledger = *entry; // of every domain in the table
    const LockGuard run{run_lock()};
    enter_domain(domain);
    return &domain;
}

Result<> create_vcpus(Domain& domain) {
    for (std::uint32_t i = 0; i < domain.vcpu_count; ++i) {
        if (domain.vcpus[i] != nullptr)
            continue;
        BULKHEAD_TRY(create_vcpu(domain, i));
        if (i + 1 < domain.vcpu_count && machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

namespace {

// False while a call on another pCPU works on it.
bool leave_table(const Domain& domain) {
    const LockGuard run{run_lock()};
    const LockGuard table{domain_table_lock()};
    if (domain.holds.load(std::memory_order_acquire) != 0)
        return false;
    remove_domain(domain);
    return true;
}

} // namespace

Result<> destroy_domain(Domain& domain) {
    BULKHEAD_TRY(stop_all(domain));
    if (!continue_dump(domain.dump)) // it shows memory that goes now
        return fail(Error::restart);
    BULKHEAD_TRY(console_disconnect(domain));
    BULKHEAD_TRY(disconnect_all_blocks(domain));
    BULKHEAD_TRY(disconnect_all_interfaces(domain));
    BULKHEAD_TRY(relinquish_grants(domain));
    if (domain.events.pages[0] != nullptr)
        BULKHEAD_TRY(close_all_ports(domain));
    BULKHEAD_TRY(forget_domain_in_ports(domain));
    const auto emptied = relinquish_memory(domain);
    if (!emptied && emptied.error() != Error::busy)
        return emptied;
    // Others may keep its frames for as long as they like. All else goes at once.
    BULKHEAD_TRY(free_grants(domain));
    BULKHEAD_TRY(take_vcpus_away(domain));
    BULKHEAD_TRY(emptied);
    if (domain.shared != nullptr) {
        BULKHEAD_TRY(frame_table().take_back(domain.shared_frame));
        frame_table().free_for_hypervisor(domain.shared_frame);
        domain.shared = nullptr;
    }
    memory_policy::depart(domain);
    if (!leave_table(domain))
        return fail(Error::restart);
    trace_event(trace::Event::domain_gone, domain,
                domain.memory.frames_to_return - domain.memory.frames.count, 0);
    free_domain(domain);
    return {};
}

} // namespace bulkhead::hv
