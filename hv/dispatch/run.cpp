#include "hv/dispatch/run.hpp"

#include "host/section.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/power.hpp"
#include "hv/arch/remote.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/domain/audit.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/io/output.hpp"
#include "hv/plugin/memory_policy.hpp"
#include "hv/plugin/scheduler.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"

namespace bulkhead::hv {

namespace {

// Building the guests takes time too, and must not last for ever.
constexpr Nanos longest_building = milliseconds(60'000);
constexpr Nanos refresh_period = milliseconds(100);

Nanos run_duration{};
RealTime run_end = RealTime::never();
RealTime next_refresh{};
std::uint32_t next_visited = 0; // slot of a domain

// Guest output and crash dumps that have not been shown yet; showing them is billed to the guest.
void show(Domain& domain, bool dump_waits) {
    bill_to(&domain);
    console_drain(domain);
    static_cast<void>(console_flush(domain, false));
    if (dump_waits)
        static_cast<void>(continue_dump(domain.dump));
    bill_to(nullptr);
}

void visit(Domain& domain, RealTime now) {
    bool dump_waits;
    {
        const LockGuard run{run_lock()}; // once: other pCPUs may want it all the time
        scheduler::check_starvation(domain, now);
        refresh_ledger_entry(domain);
        dump_waits = domain.dump.vcpu != nullptr; // a dump is begun under it, on any pCPU
    }
    if (dump_waits || console_waits(domain))
        show(domain, dump_waits);
}

// From the next one to be visited to the last one below slot `end`. False if the section's budget is used up
// before.
bool visit_below(std::uint32_t end, RealTime now) {
    for (Domain* domain = next_domain(next_visited); domain != nullptr && domain->sched.slot < end;
         domain = next_domain(next_visited)) {
        next_visited = domain->sched.slot + 1;
        visit(*domain, now);
        // The time that it waits for locks counts as well: nobody waits for the rest of the visit.
        if (machine::should_preempt() || section_length() >= host::section_budget)
            return false;
    }
    return true;
}

// As many domains as the section's budget allows, going on where the last visit stopped: housekeeping is
// short however many there are.
void visit_domains(RealTime now) {
    const auto begun = next_visited;
    if (!visit_below(max_domains, now))
        return;
    next_visited = 0;
    static_cast<void>(visit_below(begun, now));
}

// True if there is more to do soon.
bool keep_house(RealTime now) {
    const LockGuard alone{control_lock()};
    visit_domains(now);
    const bool more = memory_policy::rebalance_if_due(now);
    memory_policy::press_if_due(now);
    static_cast<void>(pump_output());
    if (now >= run_end)
        end_run(landmark::Exit::time_over, ""); // domain 0 ends a run whose guests are all off
    if (now >= next_refresh) {
        refresh_landmark();
        next_refresh = now + refresh_period;
    }
    return more;
}

void print_pcpu(const landmark::PcpuLedger& l) {
    const auto wall = l.end - l.start;
    log("ledger: wall %lld ns = guests %lld + hypervisor %lld + idle %lld + unbilled %lld (difference "
        "%lld)\n",
        static_cast<long long>(wall), static_cast<long long>(l.guest_ns),
        static_cast<long long>(l.hypervisor_ns), static_cast<long long>(l.idle_ns),
        static_cast<long long>(l.unbilled_ns),
        static_cast<long long>(wall - l.guest_ns - l.hypervisor_ns - l.idle_ns - l.unbilled_ns));
}

void print_summary() {
    const auto& page = landmark_page();
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        print_pcpu(page.pcpu_ledgers[i]);
    static constexpr const char* kinds[] = {"hypercall", "trap", "interrupt", "dispatch", "hook"};
    log("R_max: %lld ns (%s %u, domain %u)\n", static_cast<long long>(page.r_max.ns),
        kinds[page.r_max.kind % 5], page.r_max.number, page.r_max.domain);
}

// Nothing may be left unsaid when the machine stops.
void show_all(Domain& domain) {
    static_cast<void>(console_flush(domain, true));
    while (!continue_dump(domain.dump))
        flush_output();
}

} // namespace

void prepare_run(Nanos duration) {
    run_duration = duration;
    run_end = machine::now() + longest_building + duration;
    start_housekeeping(keep_house);
}

void begin_run() {
    const auto now = machine::now();
    run_end = now + run_duration;
    landmark_page().started = now.since_start().count();
}

void end_run(landmark::Exit status, const char* message) {
    control_lock().lock(); // for good
    stop_other_pcpus();
    for_each_domain(show_all);
    trace_event(trace::Event::run_end, static_cast<std::uint64_t>(status), 0);
    refresh_landmark();
    for_each_domain(refresh_ledger_entry);
    close_ledgers();
    print_summary();
    if (audit_at_the_end() != 0) {
        status = landmark::Exit::panicked;
        message = "the audit at the end found frames or grants that are not what is counted of them";
    }
    auto& page = landmark_page();
    if (message[0] != '\0') {
        log("%s\n", message);
        landmark::copy_text(page.message, message);
    }
    flush_output();
    page.exit_status = status;
    page.state = status == landmark::Exit::panicked ? landmark::State::panicked : landmark::State::finished;
    stop_machine(static_cast<std::uint32_t>(status));
}

} // namespace bulkhead::hv
