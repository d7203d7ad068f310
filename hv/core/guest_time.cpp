#include "hv/core/guest_time.hpp"

#include "hv/arch/machine.hpp"
#include "hv/core/domain.hpp"

#include <array>
#include <atomic>
#include <cstddef>

namespace bulkhead::hv {

namespace {

std::int64_t wall_clock_at_start = 0;

std::int64_t dilation_of(const Domain& domain) {
    return domain.time.mode == manifest::TimeMode::dilated ? domain.time.dilation : 1000;
}

Nanos stolen(const Vcpu& vcpu, RealTime now) {
    auto waited = vcpu.runstate_time[RUNSTATE_runnable];
    if (vcpu.runstate == RUNSTATE_runnable)
        waited += now - vcpu.runstate_since;
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

// Inline for the mode that nearly all domains have.
GuestTime guest_time_of(const Vcpu& vcpu, RealTime now) {
    return vcpu.domain->time.mode == manifest::TimeMode::real ? GuestTime{now.since_start().count()}
                                                              : guest_time(vcpu, now);
}

// A guest's area lies in its kernel's memory, which its user tables need not map: what comes up meanwhile is
// written when its kernel runs again. An area that can't be written has been taken away.
template<class T>
void write_area(const Vcpu& vcpu, std::uint64_t& area, bool& late, const T& value) {
    late = !vcpu.in_kernel;
    if (!late && !machine::copy_to_guest(GuestAddress{area}, &value, sizeof value))
        area = 0;
}

void write_time_area(Vcpu& vcpu, const vcpu_time_info_t& info) {
    if (vcpu.time_area == 0)
        return;
    auto copy = info;
    copy.version = vcpu.time_area_version += 2;
    write_area(vcpu, vcpu.time_area, vcpu.time_late, copy);
}

} // namespace

GuestTime guest_time(const Vcpu& vcpu, RealTime now) {
    const auto real = now.since_start();
    switch (vcpu.domain->time.mode) {
    case manifest::TimeMode::real:
        return GuestTime{real.count()};
    case manifest::TimeMode::virtual_:
        return GuestTime{(real - stolen(vcpu, now)).count()};
    case manifest::TimeMode::dilated:
        break;
    }
    const auto dilation = dilation_of(*vcpu.domain);
    return GuestTime{real.count() / dilation * 1000 + real.count() % dilation * 1000 / dilation};
}

RealTime real_deadline(const Vcpu& vcpu, GuestTime deadline, RealTime now) {
    const auto wait = deadline - guest_time(vcpu, now);
    if (wait <= Nanos{0})
        return now;
    const auto dilation = dilation_of(*vcpu.domain);
    constexpr std::int64_t far = INT64_MAX / 4;
    if (wait.count() / 1000 >= far / dilation)
        return now + Nanos{far};
    return now + Nanos{wait.count() / 1000 * dilation + wait.count() % 1000 * dilation / 1000};
}

void publish_time(Vcpu& vcpu) {
    const auto info = time_info(vcpu);
    write_time(vcpu.info->time, info);
    write_time_area(vcpu, info);
}

void refresh_time(Vcpu& vcpu) {
    if (vcpu.domain->time.mode != manifest::TimeMode::real)
        publish_time(vcpu);
    else if (vcpu.time_late && vcpu.in_kernel)
        publish_late(vcpu);
}

void set_time_area(Vcpu& vcpu, std::uint64_t area) {
    vcpu.time_area = area;
    write_time_area(vcpu, time_info(vcpu));
}

void set_wall_clock(std::int64_t unix_ns) { wall_clock_at_start = unix_ns; }

void publish_wall_clock(Domain& domain) {
    auto& shared = *domain.shared;
    const auto version = shared.wc_version | 1;
    std::atomic_ref{shared.wc_version}.store(version, std::memory_order_release);
    shared.wc_sec = static_cast<std::uint32_t>(wall_clock_at_start / 1'000'000'000);
    shared.wc_nsec = static_cast<std::uint32_t>(wall_clock_at_start % 1'000'000'000);
    shared.wc_sec_hi = static_cast<std::uint32_t>((wall_clock_at_start / 1'000'000'000) >> 32);
    std::atomic_ref{shared.wc_version}.store(version + 1, std::memory_order_release);
}

void change_runstate(Vcpu& vcpu, std::uint32_t runstate, RealTime now) {
    vcpu.runstate_time[vcpu.runstate] += now - vcpu.runstate_since;
    vcpu.runstate = runstate;
    vcpu.runstate_since = now;
}

Nanos runstate_total(const Vcpu& vcpu, std::uint32_t runstate) {
    auto total = vcpu.runstate_time[runstate];
    if (vcpu.runstate == runstate)
        total += machine::now() - vcpu.runstate_since;
    return total;
}

void publish_runstate(Vcpu& vcpu) {
    if (vcpu.runstate_area == 0)
        return;
    const RunstateWords info{vcpu.runstate,
                             word(guest_time_of(vcpu, vcpu.runstate_since).since_start()),
                             word(vcpu.runstate_time[0]),
                             word(vcpu.runstate_time[1]),
                             word(vcpu.runstate_time[2]),
                             word(vcpu.runstate_time[3])};
    write_area(vcpu, vcpu.runstate_area, vcpu.runstate_late, info);
}

void publish_late(Vcpu& vcpu) {
    if (vcpu.runstate_late)
        publish_runstate(vcpu);
    if (vcpu.time_late)
        write_time_area(vcpu, time_info(vcpu));
}

} // namespace bulkhead::hv
