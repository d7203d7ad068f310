// What a simulated block device takes for a request: a fixed part, a seek unless it goes on where the last
// one ended, and the transfer. A model with round numbers; no real disk was measured for it.
#pragma once

#include "host/device.hpp"

#include <algorithm>
#include <deque>

namespace bulkhead::sim {

using ringctl::sector_bytes;

struct Disk {
    Nanos request = microseconds(40); // of each request
    Nanos seek = microseconds(360);   // more, if it does not start where the one before it ended
    std::int64_t bytes_per_us = 400;  // of the transfer
    std::uint32_t depth = 1;          // requests that it takes at a time; it serves them one after another
    std::uint64_t sectors = std::uint64_t{1} << 24;

    [[nodiscard]] Nanos time(std::uint32_t bytes, bool sequential) const {
        const Nanos transfer{std::int64_t{bytes} * 1'000 / bytes_per_us};
        return std::max(request + (sequential ? Nanos{} : seek) + transfer, Nanos{1});
    }
};

// Such a device at work.
class DiskDrive {
  public:
    struct Service {
        host::Request* request;
        Nanos time;
        RealTime done;
    };
    explicit DiskDrive(const Disk& disk) : disk_{disk} {}

    [[nodiscard]] std::uint32_t depth() const { return disk_.depth; }
    [[nodiscard]] std::uint64_t sectors() const { return disk_.sectors; }
    [[nodiscard]] Nanos estimate(const host::RequestFields& request, bool sequential) const {
        return disk_.time(request.bytes, sequential);
    }
    Nanos serve(host::Request& request, RealTime now) {
        const Nanos time = disk_.time(request.bytes, request.sector == head_);
        head_ = request.end();
        free_at_ = std::max(free_at_, now) + time;
        in_service_.push_back({&request, time, free_at_});
        return time;
    }
    // When it is done with the request that it serves now.
    [[nodiscard]] RealTime next() const {
        return in_service_.empty() ? RealTime::never() : in_service_.front().done;
    }
    [[nodiscard]] Service take_done() {
        const Service service = in_service_.front();
        in_service_.pop_front();
        return service;
    }

  private:
    Disk disk_;
    std::uint64_t head_ = 0; // sector after the last one that it was told
    RealTime free_at_{};
    std::deque<Service> in_service_; // the first is served
};
static_assert(host::Device<DiskDrive>);

} // namespace bulkhead::sim
