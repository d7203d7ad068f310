// A modelled disk at work (device/disk.hpp): it takes requests, and is done with each in time.
#pragma once

#include "device/disk.hpp"
#include "host/device.hpp"

#include <array>
#include <span>

namespace bulkhead::device {

inline constexpr std::uint32_t deepest_disk = 256;

// It never holds more than `deepest_disk` requests, whatever its depth is said to be.
class DiskDrive {
  public:
    struct Service {
        host::Request* request = nullptr;
        Nanos time{};
        RealTime done{};
    };
    constexpr explicit DiskDrive(const Disk& disk) : disk_{disk} {
        disk_.depth = std::min(disk_.depth, deepest_disk);
        disk_.channels = std::clamp(disk_.channels, 1U, most_channels);
        is_plain_ = disk_.is_plain();
    }

    [[nodiscard]] std::uint32_t depth() const { return disk_.depth; }
    [[nodiscard]] std::uint64_t sectors() const { return disk_.sectors; }
    [[nodiscard]] Nanos estimate(const host::RequestFields& request, bool sequential) const {
        if (is_rare(request) || !is_plain_) [[unlikely]]
            return estimate_any(request, sequential);
        return disk_.time(request.bytes, sequential, request.parts);
    }
    // The device's time for it, with the erasing that it makes due.
    Nanos serve(host::Request& request, RealTime now) {
        if (is_rare(request) || !is_plain_) [[unlikely]]
            return serve_any(request, now);
        const Nanos time = disk_.time(request.bytes, request.sector == head_, request.parts);
        head_ = request.end();
        channels_[0].free_at = std::max(channels_[0].free_at, now) + time;
        at(count_++) = {&request, time, channels_[0].free_at};
        return time;
    }
    // When it is done with the request that ends first of those that it has.
    [[nodiscard]] RealTime next() const {
        return count_ == 0 ? RealTime::never() : in_service_[first_ % deepest_disk].done;
    }
    // That request; nullptr if it has none.
    [[nodiscard]] const host::Request* next_request() const {
        return count_ == 0 ? nullptr : in_service_[first_ % deepest_disk].request;
    }
    [[nodiscard]] Service take_done() {
        --count_;
        return in_service_[first_++ % deepest_disk];
    }

  private:
    // What lies next to each other is spread over the channels in pieces of so many sectors.
    static constexpr std::uint64_t stripe = 128;

    struct Channel {
        RealTime free_at{};
        std::uint64_t written = 0; // bytes since it erased last
    };

    [[nodiscard]] static bool is_rare(const host::RequestFields& request) {
        return request.operation >= ringctl::Operation::discard;
    }
    // A barrier may be a write.
    [[nodiscard]] static bool writes(const host::RequestFields& request) {
        return request.bytes != 0 && ringctl::alters(request.operation);
    }
    [[nodiscard]] Service& at(std::uint32_t place) { return in_service_[(first_ + place) % deepest_disk]; }

    [[nodiscard]] Nanos time_of(const host::RequestFields& request, bool sequential) const {
        const Nanos time = is_rare(request) ? disk_.time_of_rare(request, sequential)
                                            : disk_.time(request.bytes, sequential, request.parts);
        return writes(request) ? time + disk_.program : time;
    }
    // Of seeks over half of a stroke, and with a write's part of the next erasing.
    [[gnu::noinline, gnu::cold]] Nanos estimate_any(const host::RequestFields& request,
                                                    bool sequential) const {
        Nanos time = time_of(request, sequential);
        if (!sequential && request.bytes != 0)
            time += disk_.stroke / 2;
        if (writes(request) && disk_.erase_bytes != 0)
            time += Nanos{disk_.erase.count() * std::int64_t{request.bytes} /
                          static_cast<std::int64_t>(disk_.erase_bytes)};
        return time;
    }
    [[gnu::noinline, gnu::cold]] Nanos serve_any(host::Request& request, RealTime now) {
        Nanos time = time_of(request, request.sector == head_);
        if (request.bytes != 0) {
            if (request.sector != head_)
                time +=
                    disk_.travel(request.sector > head_ ? request.sector - head_ : head_ - request.sector);
            head_ = request.end();
        }
        Channel& own = channels_[request.sector / stripe % disk_.channels];
        const RealTime done =
            ringctl::is_ordered(request.operation) ? drain(now, time) : std::max(own.free_at, now) + time;
        own.free_at = done;
        put({&request, time, done});
        return time + erase_if_due(own, request);
    }
    // What is ordered has the whole device.
    RealTime drain(RealTime now, Nanos time) {
        const std::span channels{channels_.data(), disk_.channels};
        for (const Channel& each : channels)
            now = std::max(now, each.free_at);
        for (Channel& each : channels)
            each.free_at = now + time;
        return now + time;
    }
    [[nodiscard]] Nanos erase_if_due(Channel& channel, const host::RequestFields& request) const {
        if (disk_.erase_bytes == 0 || !writes(request))
            return {};
        channel.written += request.bytes;
        const auto times = channel.written / disk_.erase_bytes;
        channel.written %= disk_.erase_bytes;
        const Nanos takes = disk_.erase * static_cast<std::int64_t>(times);
        channel.free_at += takes;
        return takes;
    }
    // In the order in which they end; of those that end together, the one that came first.
    void put(const Service& service) {
        std::uint32_t place = count_++;
        for (; place > 0 && at(place - 1).done > service.done; --place)
            at(place) = at(place - 1);
        at(place) = service;
    }

    Disk disk_;
    bool is_plain_ = true;
    std::uint64_t head_ = 0; // sector after the last one that it was told
    std::array<Channel, most_channels> channels_{};
    std::array<Service, deepest_disk> in_service_{}; // `count_` of them from `first_` on, a ring
    std::uint32_t first_ = 0, count_ = 0;
};
static_assert(host::Device<DiskDrive>);

} // namespace bulkhead::device
