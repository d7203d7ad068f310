#include "hv/dispatch/guest_time.hpp"

#include "abi/pae.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/domain/domain.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>

namespace bulkhead::hv {

namespace {

std::int64_t wall_clock_at_start = 0;

bool is_dilated(const Domain& domain) { return domain.time.mode == manifest::TimeMode::dilated; }

std::int64_t dilation_of(const Domain& domain) { return is_dilated(domain) ? domain.time.dilation : 1000; }

// A length of real time as the domain's clock shows it, and back; only mode dilated makes a difference.
Nanos told(const Domain& domain, Nanos real) {
    if (!is_dilated(domain)) [[likely]]
        return real;
    const auto dilation = dilation_of(domain);
    return Nanos{real.count() / dilation * 1000 + real.count() % dilation * 1000 / dilation};
}

Nanos meant(const Domain& domain, Nanos guest) {
    const auto dilation = dilation_of(domain);
    constexpr std::int64_t far = INT64_MAX / 4;
    if (!is_dilated(domain)) [[likely]]
        return std::min(guest, Nanos{far});
    if (guest.count() / 1000 >= far / dilation)
        return Nanos{far};
    return Nanos{guest.count() / 1000 * dilation + guest.count() % 1000 * dilation / 1000};
}

Nanos stolen(const Vcpu& vcpu, RealTime now) {
    auto waited = vcpu.runstate.time[RUNSTATE_runnable];
    if (vcpu.runstate.state == RUNSTATE_runnable)
        waited += now - vcpu.runstate.since;
    return waited;
}

// What the guest computes its clock from. In mode real the pair is the machine's own origin, so that all
// vCPUs of a domain agree to the nanosecond at all times and nothing needs to be refreshed.
vcpu_time_info_t time_info(const Vcpu& vcpu) {
    vcpu_time_info_t info{};
    const auto scale = machine::tsc_scale();
    info.tsc_shift = scale.shift;
    if (vcpu.domain->time.mode == manifest::TimeMode::real) {
        info.tsc_timestamp = scale.origin;
        info.tsc_to_system_mul = scale.mul;
        info.flags = XEN_PVCLOCK_TSC_STABLE_BIT;
        return info;
    }
    info.tsc_timestamp = machine::tsc();
    info.system_time = static_cast<std::uint64_t>(
        guest_time(vcpu, machine::time_of(info.tsc_timestamp)).since_start().count());
    // The factor is divided, so that the clock is right between two publications as well.
    info.tsc_to_system_mul = static_cast<std::uint32_t>(
        std::uint64_t{scale.mul} * 1000 / static_cast<std::uint64_t>(dilation_of(*vcpu.domain)));
    return info;
}

// An odd version tells the reader that the rest is being written.
void write_time(vcpu_time_info_t& out, const vcpu_time_info_t& info) {
    const auto version = out.version | 1;
    std::atomic_ref{out.version}.store(version, std::memory_order_release);
    out.tsc_timestamp = info.tsc_timestamp;
    out.system_time = info.system_time;
    out.tsc_to_system_mul = info.tsc_to_system_mul;
    out.tsc_shift = info.tsc_shift;
    out.flags = info.flags;
    std::atomic_ref{out.version}.store(version + 1, std::memory_order_release);
}

// vcpu_runstate_info_t as words: the state, whose padding the guest gets as zero, when it began, four sums.
using RunstateWords = std::array<std::uint64_t, 6>;
static_assert(sizeof(RunstateWords) == sizeof(vcpu_runstate_info_t) &&
              offsetof(vcpu_runstate_info_t, state_entry_time) == 8);
std::uint64_t word(Nanos time) { return static_cast<std::uint64_t>(time.count()); }

// What remains of an area that took none of the 64-bit form: that of a 32-bit guest's runstate, which bears a
// mark so that all others pay nothing for it.
std::uint64_t try_narrow(const Vcpu&, std::uint64_t, const vcpu_time_info_t&) { return 0; }
[[gnu::noinline, gnu::cold]] std::uint64_t try_narrow(const Vcpu& vcpu, std::uint64_t area,
                                                      const RunstateWords& words) {
    if (!vcpu.domain->pae || area < pae_area_mark)
        return 0;
    const auto narrow = pae_form(std::bit_cast<vcpu_runstate_info_t>(words));
    const GuestAddress where{area - pae_area_mark};
    return machine::copy_to_guest(where, &narrow, sizeof narrow) ? area : 0;
}

// A guest's area lies in its kernel's memory, which its user tables need not map: what comes up meanwhile is
// written when its kernel runs again. A 32-bit guest has the same tables for both. An area that can't be
// written has been taken away.
template<class T>
void write_area(const Vcpu& vcpu, std::uint64_t& area, bool& late, const T& value) {
    late = !vcpu.processor.in_kernel && !vcpu.domain->pae;
    if (!late && !machine::copy_to_guest(GuestAddress{area}, &value, sizeof value)) [[unlikely]]
        area = try_narrow(vcpu, area, value);
}

void write_time_area(Vcpu& vcpu, const vcpu_time_info_t& info) {
    if (vcpu.time_area.address == 0)
        return;
    auto copy = info;
    copy.version = vcpu.time_area.version += 2;
    write_area(vcpu, vcpu.time_area.address, vcpu.time_area.late, copy);
}

} // namespace

pae_abi::VcpuRunstateInfo pae_form(const vcpu_runstate_info_t& info) {
    return {.state = info.state,
            .state_entry_time = info.state_entry_time,
            .time = {info.time[0], info.time[1], info.time[2], info.time[3]}};
}

GuestTime guest_time(const Vcpu& vcpu, RealTime now) {
    const auto waited = vcpu.domain->time.mode == manifest::TimeMode::virtual_ ? stolen(vcpu, now) : Nanos{0};
    return GuestTime{told(*vcpu.domain, now.since_start() - waited).count()};
}

RealTime real_deadline(const Vcpu& vcpu, GuestTime deadline, RealTime now) {
    const auto wait = deadline - guest_time(vcpu, now);
    return wait <= Nanos{0} ? now : now + real_length(vcpu, wait);
}

Nanos real_length(const Vcpu& vcpu, Nanos length) { return meant(*vcpu.domain, length); }

bool clock_stands_still(const Vcpu& vcpu) {
    return vcpu.domain->time.mode == manifest::TimeMode::virtual_ && vcpu.runstate.state == RUNSTATE_runnable;
}

void publish_time(Vcpu& vcpu) {
    const auto info = time_info(vcpu);
    write_time(vcpu.info->time, info);
    write_time_area(vcpu, info);
}

void refresh_time(Vcpu& vcpu) {
    if (vcpu.domain->time.mode != manifest::TimeMode::real) {
        publish_time(vcpu);
        go_on_with_oneshot(vcpu);
    } else if (vcpu.time_area.late && vcpu.processor.in_kernel) {
        publish_late(vcpu);
    }
}

void set_time_area(Vcpu& vcpu, std::uint64_t area) {
    vcpu.time_area.address = area;
    write_time_area(vcpu, time_info(vcpu));
}

void set_wall_clock(std::int64_t unix_ns) { wall_clock_at_start = unix_ns; }

namespace {

// The same fields in both forms of the page.
template<class Shared>
void write_wall_clock(Shared& shared) {
    const auto version = shared.wc_version | 1;
    std::atomic_ref{shared.wc_version}.store(version, std::memory_order_release);
    shared.wc_sec = static_cast<std::uint32_t>(wall_clock_at_start / 1'000'000'000);
    shared.wc_nsec = static_cast<std::uint32_t>(wall_clock_at_start % 1'000'000'000);
    shared.wc_sec_hi = static_cast<std::uint32_t>((wall_clock_at_start / 1'000'000'000) >> 32);
    std::atomic_ref{shared.wc_version}.store(version + 1, std::memory_order_release);
}

} // namespace

void publish_wall_clock(Domain& domain) {
    if (domain.pae)
        write_wall_clock(*reinterpret_cast<pae_abi::SharedInfo*>(domain.shared));
    else
        write_wall_clock(*domain.shared);
}

void change_runstate(Vcpu& vcpu, std::uint32_t runstate, RealTime now) {
    vcpu.runstate.time[vcpu.runstate.state] += now - vcpu.runstate.since;
    vcpu.runstate.state = runstate;
    vcpu.runstate.since = now;
}

Nanos runstate_total(const Vcpu& vcpu, std::uint32_t runstate) {
    auto total = vcpu.runstate.time[runstate];
    if (vcpu.runstate.state == runstate)
        total += machine::now() - vcpu.runstate.since;
    return total;
}

namespace {

// What the guest of a domain whose clock is not the machine's is told.
[[gnu::noinline]] vcpu_runstate_info_t told_runstate(const Vcpu& vcpu, RealTime until) {
    vcpu_runstate_info_t info{};
    info.state = static_cast<int>(vcpu.runstate.state);
    info.state_entry_time =
        static_cast<std::uint64_t>(guest_time(vcpu, vcpu.runstate.since).since_start().count());
    const bool waits_unseen = vcpu.domain->time.mode == manifest::TimeMode::virtual_;
    for (std::uint32_t i = 0; i < std::size(info.time); ++i) {
        auto total = vcpu.runstate.time[i];
        if (vcpu.runstate.state == i)
            total += until - vcpu.runstate.since;
        if (i != RUNSTATE_runnable || !waits_unseen)
            info.time[i] = static_cast<std::uint64_t>(told(*vcpu.domain, total).count());
    }
    return info;
}

// In mode real the guest sees the hypervisor's own numbers. Part of every switch.
[[gnu::always_inline]] inline RunstateWords runstate_words(const Vcpu& vcpu, RealTime until) {
    if (vcpu.domain->time.mode != manifest::TimeMode::real) [[unlikely]]
        return std::bit_cast<RunstateWords>(told_runstate(vcpu, until));
    RunstateWords words{vcpu.runstate.state,         word(vcpu.runstate.since.since_start()),
                        word(vcpu.runstate.time[0]), word(vcpu.runstate.time[1]),
                        word(vcpu.runstate.time[2]), word(vcpu.runstate.time[3])};
    if (const auto lasted = until - vcpu.runstate.since; lasted != Nanos{0})
        words[2 + vcpu.runstate.state] += word(lasted);
    return words;
}

// A processor that reads the area while another one writes it finds the mark that its guest asked for.
bool wants_mark(const Vcpu& vcpu) {
    constexpr auto flag = std::uint64_t{1} << VMASST_TYPE_runstate_update_flag;
    return pcpu_count() > 1 && (vcpu.domain->vm_assist & flag) != 0 && vcpu.processor.in_kernel;
}

[[gnu::noinline]] void publish_marked(Vcpu& vcpu) {
    auto info = runstate_words(vcpu, vcpu.runstate.since);
    auto& entry_time = info[offsetof(vcpu_runstate_info_t, state_entry_time) / sizeof info[0]];
    const GuestAddress where{vcpu.domain->pae
                                 ? vcpu.runstate.area - pae_area_mark +
                                       offsetof(pae_abi::VcpuRunstateInfo, state_entry_time)
                                 : vcpu.runstate.area + offsetof(vcpu_runstate_info_t, state_entry_time)};
    entry_time |= XEN_RUNSTATE_UPDATE;
    static_cast<void>(machine::copy_to_guest(where, &entry_time, sizeof entry_time));
    write_area(vcpu, vcpu.runstate.area, vcpu.runstate.late, info);
    entry_time &= ~XEN_RUNSTATE_UPDATE;
    static_cast<void>(machine::copy_to_guest(where, &entry_time, sizeof entry_time));
}

} // namespace

vcpu_runstate_info_t runstate_info(const Vcpu& vcpu, RealTime until) {
    return std::bit_cast<vcpu_runstate_info_t>(runstate_words(vcpu, until));
}

void publish_runstate(Vcpu& vcpu) {
    if (vcpu.runstate.area == 0)
        return;
    if (wants_mark(vcpu)) [[unlikely]]
        return publish_marked(vcpu);
    const auto info = runstate_words(vcpu, vcpu.runstate.since);
    write_area(vcpu, vcpu.runstate.area, vcpu.runstate.late, info);
}

void publish_late(Vcpu& vcpu) {
    if (vcpu.runstate.late)
        publish_runstate(vcpu);
    if (vcpu.time_area.late)
        write_time_area(vcpu, time_info(vcpu));
}

} // namespace bulkhead::hv
