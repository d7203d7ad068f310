// Strong types for everything that crosses a border: frames, identifiers, clocks.
// A value of one of these types never converts silently into another, in any build, and costs what its
// integer costs.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace bulkhead {

// An integer with a meaning. `Tag` keeps two meanings apart; `value()` is the only way out.
template<class Tag, class Rep>
class Strong {
  public:
    using rep = Rep;
    constexpr Strong() = default;
    constexpr explicit Strong(Rep value) : value_{value} {}
    [[nodiscard]] constexpr Rep value() const { return value_; }
    friend constexpr auto operator<=>(const Strong&, const Strong&) = default;

  private:
    Rep value_{};
};

using Mfn = Strong<struct MfnTag, std::uint64_t>; // machine frame number: a real frame of RAM
// Pseudo-physical frame number: a guest's own contiguous numbering.
using Pfn = Strong<struct PfnTag, std::uint64_t>;
using DomainId = Strong<struct DomainIdTag, std::uint16_t>;
using VcpuId = Strong<struct VcpuIdTag, std::uint16_t>; // index of a vCPU inside its domain
using PcpuId = Strong<struct PcpuIdTag, std::uint16_t>;
using Port = Strong<struct PortTag, std::uint32_t>;         // event channel port of one domain
using GrantRef = Strong<struct GrantRefTag, std::uint32_t>; // entry of one domain's grant table
// Virtual address in a guest; never dereferenced.
using GuestAddress = Strong<struct GuestAddressTag, std::uint64_t>;

// A duration in nanoseconds. Signed, so that a difference of two instants is always representable.
class Nanos {
  public:
    constexpr Nanos() = default;
    constexpr explicit Nanos(std::int64_t count) : count_{count} {}
    [[nodiscard]] constexpr std::int64_t count() const { return count_; }
    friend constexpr auto operator<=>(const Nanos&, const Nanos&) = default;
    friend constexpr Nanos operator+(Nanos a, Nanos b) { return Nanos{a.count_ + b.count_}; }
    friend constexpr Nanos operator-(Nanos a, Nanos b) { return Nanos{a.count_ - b.count_}; }
    friend constexpr Nanos operator-(Nanos a) { return Nanos{-a.count_}; }
    friend constexpr Nanos operator*(Nanos a, std::int64_t k) { return Nanos{a.count_ * k}; }
    friend constexpr Nanos operator/(Nanos a, std::int64_t k) { return Nanos{a.count_ / k}; }
    constexpr Nanos& operator+=(Nanos other) { return count_ += other.count_, *this; }
    constexpr Nanos& operator-=(Nanos other) { return count_ -= other.count_, *this; }

  private:
    std::int64_t count_{};
};

constexpr Nanos microseconds(std::int64_t n) { return Nanos{n * 1'000}; }
constexpr Nanos milliseconds(std::int64_t n) { return Nanos{n * 1'000'000}; }

// An instant on one clock, in nanoseconds since that clock's start. Instants of different clocks do not mix.
template<class Clock>
class Instant {
  public:
    constexpr Instant() = default;
    constexpr explicit Instant(std::int64_t since_start) : since_start_{since_start} {}
    [[nodiscard]] constexpr Nanos since_start() const { return Nanos{since_start_}; }
    friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
    friend constexpr Instant operator+(Instant t, Nanos d) { return Instant{t.since_start_ + d.count()}; }
    friend constexpr Instant operator-(Instant t, Nanos d) { return Instant{t.since_start_ - d.count()}; }
    friend constexpr Nanos operator-(Instant a, Instant b) { return Nanos{a.since_start_ - b.since_start_}; }
    constexpr Instant& operator+=(Nanos d) { return since_start_ += d.count(), *this; }
    [[nodiscard]] static constexpr Instant never() { return Instant{INT64_MAX}; }

  private:
    std::int64_t since_start_{};
};

using RealTime = Instant<struct RealClock>;       // the machine's time since the hypervisor started
using VirtualTime = Instant<struct VirtualClock>; // what a vCPU ran
using GuestTime = Instant<struct GuestClock>;     // what a guest is told

inline constexpr std::size_t page_bytes = 4096;
inline constexpr unsigned page_shift = 12;

static_assert(sizeof(Mfn) == 8 && sizeof(DomainId) == 2 && sizeof(Nanos) == 8 && sizeof(RealTime) == 8);

} // namespace bulkhead
