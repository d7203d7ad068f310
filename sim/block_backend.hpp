// The back end of the simulated machine's block device: guests' rings on one side, the ring policy's host on
// the other. The work for a request is billed to the guest that made it. The back end never decides which
// request is served.
#pragma once

#include "sim/block_device.hpp"
#include "sim/guest_devices.hpp"
#include "sim/machine.hpp"

#include <deque>
#include <map>

namespace bulkhead::sim {

class BlockBackend;

// A guest's end of its ring.
class DiskPort final : public GuestDisk {
  public:
    DiskPort(const BlockBackend& backend, std::uint32_t number);
    // A part of the drive; without this it is the whole drive.
    void lies_at(std::uint64_t first, std::uint64_t sectors) {
        first_ = first;
        sectors_ = sectors;
    }
    [[nodiscard]] std::uint64_t sectors() const override { return sectors_; }
    [[nodiscard]] std::uint64_t submitted() const override { return submitted_; }
    [[nodiscard]] std::uint64_t outstanding() const override { return numbers_.size() + done_.size(); }
    [[nodiscard]] std::optional<std::uint64_t> take_answer() override;

  private:
    friend class BlockBackend;
    Nanos note(const Request& request) override;
    [[nodiscard]] std::uint32_t number() const override { return number_; }

    const BlockBackend* backend_;
    std::uint64_t first_ = 0, sectors_;
    Request wish_{};         // what the next service_disk is about
    std::uint32_t number_;   // of the guest's rings
    std::uint32_t ring_ = 0; // of the drive's
    std::uint64_t submitted_ = 0;
    std::map<std::uint64_t, std::uint64_t> numbers_; // the device's number of a request: its guest's own
    std::deque<std::uint64_t> done_;
};

struct BlockPlan {
    std::optional<Policy> policy; // none: the built-in one
    Disk disk{};
    bool is_billed = true; // work for a request after its guest has asked; else to no domain
};

class BlockBackend {
  public:
    BlockBackend(Machine& machine, BlockPlan plan, std::uint64_t seed);

    // A ring of a guest, by its number there; opened when it is asked for first. `values` are the policy's
    // domain parameters; the policy takes the domains of a group, if that is not 0, for one.
    DiskPort& port(Domain& domain, std::uint32_t number, std::span<const std::int64_t> values,
                   std::uint32_t group);
    // Puts the port's wish into its ring; ignored if that is full.
    void submit(Domain& domain, std::uint32_t number);
    void on_alarm();
    void gone(const Domain& domain);
    void set_weight(const Domain& domain);
    // The domain keeps its changes for a ring that it has later.
    [[nodiscard]] host::Change change(Domain& domain, const plugin::ValueChanges& changes);
    void swap(const Policy& policy); // it takes over all rings, with what is queued
    [[nodiscard]] bool owns(const Deadline& deadline) const { return &deadline == &alarm_; }
    [[nodiscard]] const landmark::PolicyReport& report() const { return device_.report(); }
    [[nodiscard]] std::uint64_t sectors() const { return plan_.disk.sectors; }
    [[nodiscard]] Nanos own_work() const { return Nanos{machine_->costs().disk_own}; } // of a guest

  private:
    struct Front {
        Domain* domain;
        DiskPort port;
        bool is_gone = false;
    };
    // Those of a domain.
    template<class Visit>
    void for_each_of(const Domain& domain, Visit&& visit) {
        auto front = fronts_.lower_bound({domain.id.value(), 0});
        for (; front != fronts_.end() && front->second.domain == &domain; ++front)
            visit(front->second);
    }
    // Whom the drive works for: of the request that ends first. nullptr: nobody, or it is gone.
    [[nodiscard]] Domain* served() const;
    void done(const BlockDevice::Request& request, Nanos service);
    void answer();
    void rearm();
    void work_later_for(Domain* domain, std::int64_t amount) {
        machine_->work_for(plan_.is_billed ? domain : nullptr, Nanos{amount});
    }

    Machine* machine_;
    BlockPlan plan_;
    BlockDevice device_;
    Deadline alarm_;
    std::map<std::pair<std::uint16_t, std::uint32_t>, Front> fronts_; // by domain and number
    std::vector<Front*> by_ring_;
    std::deque<BlockDevice::Request> unanswered_; // that it is done with
};

} // namespace bulkhead::sim
