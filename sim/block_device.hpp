// A simulated block device with its rings, the domains that own them, and the host of the ring policy that
// chooses what it serves. It knows neither pCPUs nor guests, so tests can drive it alone; it never judges an
// answer: the host does.
#pragma once

#include "device/drive.hpp"
#include "host/ring_host.hpp"
#include "sim/policy_world.hpp"

#include <deque>
#include <map>
#include <optional>

namespace bulkhead::sim {

class BlockDevice;
using device::Disk;
using device::DiskDrive;

// BlockDevice as a world of host/ring_host.hpp.
struct RingWorld : PolicyWorld<host::RingKind, host::fallback_ring_policy> {
    struct Domain { // or a group of them, with the id of the member that came first
        DomainId id;
        host::RingDomainState io{};
    };
    struct Ring {
        Domain* domain;
        DomainId owner;
        host::RingState queue{};
    };
    BlockDevice* owner;

    [[nodiscard]] DiskDrive& device() const;
    [[nodiscard]] Ring* ring_by_number(std::uint32_t number) const;
    void taken(const Ring& ring, const host::RequestFields& request) const;
    void done(const Ring& ring, const host::RequestFields& request, Nanos service) const;
};

class BlockDevice {
  public:
    struct Options {
        Disk disk{};
        std::uint64_t seed = 1;
        bool eject = true; // else throw Misconduct
    };
    struct Request : host::RequestFields {
        std::uint32_t ring = 0;
        DomainId domain{};
    };
    using Hook = ringctl::Hook;

    BlockDevice(const Policy& policy, const Options& options);
    BlockDevice(const BlockDevice&) = delete;
    BlockDevice& operator=(const BlockDevice&) = delete;

    // A ring of a domain, with the domain's own parameters (none: the policy's defaults). Its number. The
    // policy takes the domains of a group for one, whose weight and parameters are those of the first. They
    // may have been changed before.
    std::uint32_t open(DomainId id, std::uint32_t weight, std::span<const std::int64_t> values = {},
                       std::uint32_t group = 0, const host::ChangedValues& changed = {});
    // What is queued is forgotten; what the device has is finished and then forgotten.
    void close(std::uint32_t ring, RealTime now);
    // Of the domain, and so of its group.
    void set_weight(DomainId id, std::uint32_t weight, RealTime now);
    // Parameters of the domain, and so of its group.
    [[nodiscard]] host::Change change(DomainId id, const plugin::ValueChanges& changes, RealTime now);
    // Whether the policy takes these changes.
    [[nodiscard]] host::Change judge(const plugin::ValueChanges& changes) const {
        return host_.judge(changes);
    }
    // Another policy takes over, as it would in the hypervisor.
    void replace(const Policy& policy, RealTime now);

    // The request's number; none if the ring is full or closed. The device counts it as `parts`. Throws
    // std::invalid_argument for one that is empty or leaves the device.
    std::optional<std::uint64_t> submit(std::uint32_t ring, ringctl::Operation operation,
                                        std::uint64_t sector, std::uint32_t bytes, RealTime now,
                                        std::uint32_t parts = 1);
    // When advance has something to do.
    [[nodiscard]] RealTime next() const { return std::min(drive_.next(), host_.asks_again()); }
    // Finishes what is done by `now` and gives the device something to do.
    void advance(RealTime now);

    [[nodiscard]] std::uint64_t submitted() const { return host_.submitted(); } // the next request's number
    [[nodiscard]] RealTime done_at() const { return drive_.next(); } // with the request that ends first
    [[nodiscard]] std::optional<std::uint32_t> done_ring() const {   // whose request that is
        const host::Request* const request = drive_.next_request();
        return request != nullptr ? std::optional{request->ring->number} : std::nullopt;
    }
    // It would take another request at once.
    [[nodiscard]] bool has_capacity() const { return host_.in_service() < drive_.depth(); }
    [[nodiscard]] std::size_t queued() const { return host_.queued(); }
    [[nodiscard]] std::size_t in_service() const { return host_.in_service(); }
    [[nodiscard]] bool has_room(std::uint32_t ring) const { return rings_[ring].queue.has_room(); }
    [[nodiscard]] const landmark::PolicyReport& report() const { return ground_.report; }
    [[nodiscard]] const plugin::Descriptor& policy() const { return host_.descriptor(); }

    // From within submit and advance: the device takes a request, is done with it; the policy noted
    // something, or was ejected.
    std::function<void(const Request&)> on_taken;
    std::function<void(const Request&, Nanos service)> on_done;
    auto& on_note() { return ground_.on_note; }
    auto& on_eject() { return ground_.on_eject; }

  private:
    friend struct RingWorld;

    // Whose part in the policy a domain has: its own id, or that of its group's first member.
    [[nodiscard]] DomainId tenant_of(DomainId id) const;

    host::RingHost<RingWorld>& at(RealTime now) {
        ground_.now = now;
        return host_;
    }

    PolicyGround<host::RingKind> ground_;
    DiskDrive drive_;
    const plugin::Descriptor* first_;                    // of the policy that domains are given values for
    std::map<std::uint16_t, RingWorld::Domain> domains_; // by the id of the domain or of the first member
    std::map<std::uint32_t, DomainId> first_of_;         // each group's
    std::map<std::uint16_t, std::uint32_t> group_of_;    // each member's
    std::deque<RingWorld::Ring> rings_;                  // by number
    host::RingHost<RingWorld> host_;
};

} // namespace bulkhead::sim
