// A model of a disk: a fixed part for each request, a seek unless it goes on where the last one ended, and
// the transfer. A flush or a discard has the fixed part alone, and a flush what the cache takes. The numbers
// are round; no real disk was measured for it. Freestanding: the hypervisor and the simulator include this
// very source, so a request takes the same time in both.
#pragma once

#include "host/device.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::device {

inline constexpr std::uint32_t deepest_disk = 256;

struct Disk {
    Nanos request = microseconds(40); // of each request
    Nanos seek = microseconds(360);   // more, if it does not start where the one before it ended
    std::int64_t bytes_per_us = 400;  // of the transfer
    std::uint32_t depth = 1;          // requests that it takes at a time; it serves them one after another
    std::uint64_t sectors = std::uint64_t{1} << 24;
    Nanos flush{}; // more, of a flush or a barrier

    // `parts`: how many requests it counts as.
    [[nodiscard]] constexpr Nanos time(std::uint32_t bytes, bool sequential, std::uint32_t parts = 1) const {
        const Nanos transfer{std::int64_t{bytes} * 1'000 / bytes_per_us};
        return std::max(request * std::int64_t{parts} + (sequential ? Nanos{} : seek) + transfer, Nanos{1});
    }
    // Of a request that may move no bytes: a discard, a flush, a barrier.
    [[nodiscard, gnu::noinline, gnu::cold]] Nanos time_of_rare(const host::RequestFields& asked,
                                                               bool sequential) const {
        const Nanos takes = time(asked.bytes, sequential || asked.bytes == 0, asked.parts);
        return ringctl::is_ordered(asked.operation) ? takes + flush : takes;
    }
};

// Such a device at work. It never holds more than `deepest_disk` requests, whatever its depth is said to be.
class DiskDrive {
  public:
    struct Service {
        host::Request* request = nullptr;
        Nanos time{};
        RealTime done{};
    };
    constexpr explicit DiskDrive(const Disk& disk) : disk_{disk} {
        disk_.depth = std::min(disk_.depth, deepest_disk);
    }

    [[nodiscard]] std::uint32_t depth() const { return disk_.depth; }
    [[nodiscard]] std::uint64_t sectors() const { return disk_.sectors; }
    [[nodiscard]] Nanos estimate(const host::RequestFields& request, bool sequential) const {
        return is_rare(request) ? disk_.time_of_rare(request, sequential)
                                : disk_.time(request.bytes, sequential, request.parts);
    }
    Nanos serve(host::Request& request, RealTime now) {
        Nanos time;
        if (is_rare(request)) [[unlikely]] {
            time = disk_.time_of_rare(request, request.sector == head_);
            head_ = request.bytes != 0 ? request.end() : head_;
        } else {
            time = disk_.time(request.bytes, request.sector == head_, request.parts);
            head_ = request.end();
        }
        free_at_ = std::max(free_at_, now) + time;
        at(count_++) = {&request, time, free_at_};
        return time;
    }
    // When it is done with the request that it serves now.
    [[nodiscard]] RealTime next() const {
        return count_ == 0 ? RealTime::never() : in_service_[first_ % deepest_disk].done;
    }
    [[nodiscard]] Service take_done() {
        --count_;
        return in_service_[first_++ % deepest_disk];
    }

  private:
    [[nodiscard]] static bool is_rare(const host::RequestFields& request) {
        return request.operation >= ringctl::Operation::discard;
    }
    [[nodiscard]] Service& at(std::uint32_t place) { return in_service_[(first_ + place) % deepest_disk]; }

    Disk disk_;
    std::uint64_t head_ = 0; // sector after the last one that it was told
    RealTime free_at_{};
    std::array<Service, deepest_disk> in_service_{}; // `count_` of them from `first_` on, a ring
    std::uint32_t first_ = 0, count_ = 0;
};
static_assert(host::Device<DiskDrive>);

} // namespace bulkhead::device
