// The host of a ring policy: a device's rings, their requests, and the device's time. It keeps every promise
// of ringctl/contract.hpp to the policy and checks every answer; a wrong one ejects the policy, and no
// request is lost. It knows neither pCPUs nor guests, so tests can drive it alone.
#pragma once

#include "ringctl/contract.hpp"
#include "sim/desk.hpp"
#include "sim/disk.hpp"
#include "sim/slab.hpp"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::sim {

class RingHost {
  public:
    struct Options {
        Disk disk{};
        std::uint64_t seed = 1;
        bool eject = true; // else throw Misconduct
    };
    // A request as the host keeps it.
    struct Request {
        std::uint32_t ring = 0;
        DomainId domain{};
        std::uint64_t number = 0;
        std::uint64_t sector = 0;
        std::uint32_t bytes = 0;
        ringctl::Operation operation{};
        RealTime arrived{};
    };
    using Hook = ringctl::Hook;

    RingHost(Policy policy, const Options& options);
    ~RingHost();
    RingHost(const RingHost&) = delete;
    RingHost& operator=(const RingHost&) = delete;

    // A ring of a domain, with the domain's own parameters (none: the policy's defaults). Its number.
    std::uint32_t open(DomainId domain, std::uint32_t weight, std::span<const std::int64_t> values = {});
    // What is queued is forgotten; what the device has is finished and then forgotten.
    void close(std::uint32_t ring, RealTime now);
    void set_weight(DomainId domain, std::uint32_t weight, RealTime now);
    // Another policy takes over, as it would in the hypervisor.
    void replace(Policy policy, RealTime now);

    // The request's number; none if the ring is full. Throws std::invalid_argument for one that is empty or
    // leaves the device.
    std::optional<std::uint64_t> submit(std::uint32_t ring, ringctl::Operation operation,
                                        std::uint64_t sector, std::uint32_t bytes, RealTime now);
    // When advance has something to do.
    [[nodiscard]] RealTime next() const;
    // Finishes what is done by `now` and gives the device something to do.
    void advance(RealTime now);

    [[nodiscard]] std::uint64_t submitted() const { return submitted_; } // the next request's number
    [[nodiscard]] std::size_t queued() const { return queued_; }
    [[nodiscard]] std::size_t in_service() const { return in_service_.size(); }
    [[nodiscard]] bool has_room(std::uint32_t ring) const { return rings_[ring].used < ringctl::most_queued; }
    [[nodiscard]] const landmark::PolicyReport& report() const { return report_; }
    [[nodiscard]] const plugin::Descriptor& policy() const { return *policy_.descriptor; }
    Desk& desk() { return desk_; }

    // From within submit and advance: the device takes a request, is done with it, the policy is replaced.
    std::function<void(const Request&)> on_taken;
    std::function<void(const Request&, Nanos service)> on_done;
    std::function<void(Hook, plugin::Fault)> on_eject;

  private:
    enum class State : std::uint8_t { unused, queued, taken };
    struct Slot : Request {
        State state = State::unused;
        bool known = false; // the policy in charge has taken it, and is to hear of its end
        Nanos estimate{};
    };
    struct Ring {
        DomainId domain{};
        bool open = true;
        std::uint32_t used = 0;    // slots
        std::uint64_t ends_at = 0; // where the stream of its requests would go on
        ringctl::Ring* policy = nullptr;
    };
    struct Domain {
        DomainId id{};
        std::uint32_t weight = ringctl::default_weight;
        std::vector<std::int64_t> values; // for the policy that began
        ringctl::Domain* policy = nullptr;
        std::size_t queued = 0;
        std::uint64_t waits_from = 0; // the next request's number when it was served last, or began to wait
        Nanos overtaken{};            // what requests from there on were given of the device since
    };
    struct Service {
        std::size_t slot;
        Nanos time;
        RealTime done;
    };

    void install(Policy policy);
    void enter(Ring& ring, std::uint32_t number);
    void enqueue(std::size_t slot);
    void eject(Hook hook, plugin::Fault fault, const std::string& what);
    void give_work();
    void take(std::size_t slot);
    void finish(const Service& service);
    void note_overtaken(const Slot& taken, Nanos time);
    [[nodiscard]] bool is_starved(const Domain& domain) const;
    [[nodiscard]] bool may_idle() const;
    [[nodiscard]] const char* wrong(const ringctl::Decision& answer, std::optional<std::size_t> slot) const;
    [[nodiscard]] std::optional<std::size_t> slot_of(const ringctl::Request* request) const;
    [[nodiscard]] std::size_t free_slot(std::uint32_t ring) const;
    [[nodiscard]] ringctl::Request& view(std::size_t slot) const;
    Domain& domain(DomainId id);
    const ringctl::Hooks& call() {
        ++report_.hook_calls;
        return *hooks_;
    }

    Options options_;
    Desk desk_;
    Policy policy_;
    const ringctl::Hooks* hooks_ = nullptr;
    void* object_ = nullptr;
    std::unique_ptr<Slab> domain_objects_, ring_objects_;
    std::vector<std::unique_ptr<std::byte[]>> request_objects_; // of each ring, `most_queued` of them
    std::size_t request_pitch_ = 0;

    std::deque<Domain> domains_;
    std::deque<Ring> rings_;
    std::vector<Slot> slots_;        // ring r has those from r * most_queued
    std::deque<Service> in_service_; // the first is served
    RealTime device_free_{};
    std::uint64_t head_ = 0; // sector after the last one that the device was told
    std::size_t queued_ = 0;
    std::uint64_t submitted_ = 0;
    RealTime ask_again_ = RealTime::never();
    Policy first_; // the one that domains were given values for
    landmark::PolicyReport report_{};
};

} // namespace bulkhead::sim
