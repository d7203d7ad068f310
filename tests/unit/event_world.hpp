// A machine of ordinary memory with a few domains, for tests of event channels, grants and consoles: the
// frame table and paging are the real ones, the processor, the scheduler and the trace are doubles that note
// what was asked of them.
#pragma once

#include "hv/calls/hypercall.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "tests/unit/machine_host.hpp"

#include <cstring>
#include <memory>
#include <vector>

namespace bulkhead::hv::test {

// One at a time exists; the doubles work on it.
class World {
  public:
    explicit World(std::uint64_t frames = 1024);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // The domain has a shared page, ports and `vcpus` vCPUs; its upcalls are open.
    Domain& add_domain(const char* name, std::uint32_t vcpus = 1, bool privileged = false);
    // As the hypervisor removes a dead domain from its table.
    void remove_domain(Domain& domain);

    // A value in the current guest's memory, and what is there now.
    template<class T>
    std::uint64_t put(const T& value, std::uint64_t offset = 0) {
        std::memcpy(guest.data() + offset, &value, sizeof value);
        return guest_base + offset;
    }
    template<class T>
    T get(std::uint64_t offset = 0) const {
        T value;
        std::memcpy(&value, guest.data() + offset, sizeof value);
        return value;
    }

    // Makes a hypercall to its end, however often it is continued. `restarts` counts the continuations.
    template<class Call>
    HypercallResult call(Vcpu& caller, std::uint64_t a0, std::uint64_t a1 = 0, std::uint64_t a2 = 0) {
        HypercallArguments arguments{{a0, a1, a2}};
        HypercallContext context{caller, *caller.domain, arguments};
        for (;;) {
            const auto result = Call::decode(arguments).run(context);
            if (result || result.error() != Error::restart)
                return result;
            ++restarts;
        }
    }

    host::Machine machine;
    std::vector<std::byte> guest;   // the current guest's memory, for its pointers
    const std::uint64_t guest_base; // where it starts
    std::vector<const Vcpu*> woken, timeouts_cleared;
    std::uint64_t trace_records = 0;
    std::uint32_t restarts = 0;
    std::vector<std::unique_ptr<Domain>> domains;

  private:
    std::vector<std::unique_ptr<Vcpu>> vcpus_;
    std::vector<std::unique_ptr<Console>> consoles_;
};

} // namespace bulkhead::hv::test
