#include "hv/core/guest_time.hpp"

#include "hv/arch/machine.hpp"
#include "hv/core/domain.hpp"

#include <atomic>

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

void write_time(vcpu_time_info_t& info, std::uint64_t tsc, GuestTime time, machine::TscScale scale) {
    const auto version = info.version | 1; // odd: being written
    std::atomic_ref{info.version}.store(version, std::memory_order_release);
    info.tsc_timestamp = tsc;
    info.system_time = static_cast<std::uint64_t>(time.since_start().count());
    info.tsc_to_system_mul = scale.mul;
    info.tsc_shift = scale.shift;
    std::atomic_ref{info.version}.store(version + 1, std::memory_order_release);
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
    if (vcpu.info == nullptr)
        return;
    auto scale = machine::tsc_scale();
    // The scale's factor is divided, so that the clock is right between two publications as well.
    const auto dilation = dilation_of(*vcpu.domain);
    scale.mul = static_cast<std::uint32_t>(static_cast<std::uint64_t>(scale.mul) * 1000 /
                                           static_cast<std::uint64_t>(dilation));
    const auto tsc = machine::tsc();
    write_time(vcpu.info->time, tsc, guest_time(vcpu, machine::time_of(tsc)), scale);
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
    vcpu_runstate_info_t info{};
    info.state = static_cast<int>(vcpu.runstate);
    info.state_entry_time =
        static_cast<std::uint64_t>(guest_time(vcpu, vcpu.runstate_since).since_start().count());
    for (int i = 0; i < 4; ++i)
        info.time[i] = static_cast<std::uint64_t>(vcpu.runstate_time[i].count());
    if (!machine::copy_to_guest(GuestAddress{vcpu.runstate_area}, &info, sizeof info))
        vcpu.runstate_area = 0; // the guest took its mapping away
}

} // namespace bulkhead::hv
