// A small discrete-event machine that is a host to one scheduler plug-in: it keeps the promises of
// sched/contract.hpp to the policy and checks every promise of the policy. It must never pass a wrong answer
// over; it throws Misconduct.
#pragma once

#include "tests/policy/behaviour.hpp"
#include "tests/policy/plugin_file.hpp"

#include <cstddef>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace bulkhead::policy_test {

struct Misconduct : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Memory for an object whose size only the plug-in knows; poisoned when it goes, so that a pointer kept too
// long shows.
class Storage {
  public:
    explicit Storage(std::size_t bytes);
    ~Storage();
    Storage(Storage&& other) noexcept = default;
    Storage& operator=(Storage&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        std::swap(memory_, other.memory_);
        return *this;
    }
    [[nodiscard]] std::byte* at(std::size_t offset = 0) const { return memory_.get() + offset; }

  private:
    struct Free {
        void operator()(std::byte* memory) const { ::operator delete(memory, std::align_val_t{64}); }
    };
    std::size_t bytes_;
    std::unique_ptr<std::byte, Free> memory_;
};

struct MachineOptions {
    std::uint32_t pcpus = 1;
    std::uint64_t seed = 1;
    std::vector<std::int64_t> parameters; // empty for the policy's defaults
    Nanos timer_error{};                  // a slice ends up to this much late, or a quarter of it early
    Nanos switch_cost{};                  // real time of each switch, billed to nobody
};

using VcpuKey = std::pair<std::uint16_t, std::uint16_t>; // domain, vCPU
inline std::string name_of(VcpuKey key) {
    return std::to_string(key.first) + "." + std::to_string(key.second);
}

class Machine {
  public:
    struct Statistics {
        Nanos ran{};
        Nanos longest_wait{};         // of the waits that have ended
        std::vector<Nanos> latencies; // wake to first run
        std::uint64_t preempted = 0;
    };

    Machine(const PluginFile& plugin, MachineOptions options);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Creates a domain with one vCPU per behaviour; they wake at once.
    std::uint16_t add_domain(std::uint32_t weight, std::uint32_t cap,
                             std::vector<std::unique_ptr<Behaviour>> behaviours,
                             std::uint64_t affinity = ~std::uint64_t{0},
                             const std::vector<std::int64_t>& values = {}); // none: the policy's defaults
    void destroy_domain(std::uint16_t domain);
    void set_share(std::uint16_t domain, std::uint32_t weight, std::uint32_t cap);
    void pause(VcpuKey key);
    void unpause(VcpuKey key);
    void charge(VcpuKey key, Nanos amount);                 // for work elsewhere that takes no pCPU here
    void set_affinity(VcpuKey key, std::uint64_t affinity); // pauses it meanwhile
    void run_for(Nanos duration);
    // Another policy takes over, with its default parameters, as in a host: nobody runs, all are attached,
    // whoever is runnable wakes.
    void swap(const PluginFile& successor);

    [[nodiscard]] RealTime now() const { return now_; }
    [[nodiscard]] const Statistics& of(VcpuKey key) const;
    [[nodiscard]] Nanos ran(std::uint16_t domain) const;
    [[nodiscard]] Nanos longest_wait(VcpuKey key) const;    // runnable without running, until now
    [[nodiscard]] double share(std::uint16_t domain) const; // of all pCPUs since the start
    [[nodiscard]] std::vector<VcpuKey> vcpus() const;
    [[nodiscard]] std::uint64_t switches() const { return switches_; }
    [[nodiscard]] Nanos idle() const;
    [[nodiscard]] Nanos switching() const { return switching_; }

  private:
    enum class State { blocked, queued, running };
    struct Guest {
        Storage storage;
        bool capped = false;
    };
    struct Thread {
        Storage storage;
        std::unique_ptr<Behaviour> behaviour;
        Statistics statistics;
        VcpuKey key;
        State state = State::blocked;
        bool paused = false;
        bool fresh = false;   // queued, and no idle pCPU has been offered it yet
        bool woken = false;   // has not run since its wake
        bool pending = false; // would be runnable if it were not paused
        RealTime wake_at = RealTime::never();
        RealTime since{}; // of the state
        Nanos used{};     // since it last blocked or yielded
        Plan plan{};
    };
    struct Core {
        Thread* running = nullptr;
        RealTime started{}; // of its time on the pCPU, after the switch
        RealTime stops = RealTime::never();
        sched::Stop why = sched::Stop::slice_end;
        RealTime look_again = RealTime::never();
        bool kicked = false;
        RealTime idle_since{};
        Nanos idle{};
    };

    void start_policy();
    sched::Vcpu& view(Thread& thread) { return *reinterpret_cast<sched::Vcpu*>(thread.storage.at()); }
    sched::Pcpu& view(std::size_t core);
    Thread& thread(VcpuKey key);
    void wake(Thread& thread);
    void leave_queue(Thread& thread, sched::Stop why);
    void stop(Core& core, sched::Stop why);
    void enqueue(Thread& thread);
    void pick(std::size_t core);
    void check(const sched::Decision& decision, Thread* picked, std::size_t core) const;
    [[nodiscard]] std::string at_now() const {
        return " at " + std::to_string(now_.since_start().count()) + " ns";
    }
    Thread* find(const sched::Vcpu* vcpu);
    void start(std::size_t core, Thread& thread, Nanos slice);
    void settle();
    void carry_out_kicks();
    void offer_idle_pcpus();
    void check_work_conservation();
    [[nodiscard]] RealTime next_event() const;
    void advance();

    PluginFile plugin_;
    MachineOptions options_;
    std::mt19937_64 random_;
    std::mt19937_64 policy_random_;
    plugin::Host host_{};
    std::vector<Storage> arena_;
    Storage pcpus_;
    Storage policy_;
    std::vector<Core> cores_;
    std::map<std::uint16_t, Guest> guests_;
    std::map<VcpuKey, Thread> threads_;
    RealTime now_{};
    std::uint16_t next_domain_ = 1;
    std::uint64_t switches_ = 0;
    Nanos switching_{};
    std::string complaint_; // from inside a hook; thrown once it has returned
};

} // namespace bulkhead::policy_test
