// Domains without a dispatcher: enough of the hypervisor's core for tests and fuzzers of hv/mm, and
// hypercalls made as a guest makes them, continued until they are done.
#pragma once

#include "hv/calls/hypercall.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/entry.hpp"
#include "hv/mm/paging.hpp"
#include "tests/unit/machine_host.hpp"

#include <array>
#include <memory>
#include <vector>

namespace bulkhead::hv::host {

class World {
  public:
    explicit World(std::uint64_t frames);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // A new domain with one vCPU. The first one is privileged.
    Domain& add_domain(std::uint64_t max_frames);
    // Gives all of its memory back and forgets it. False if others still map some of it.
    [[nodiscard]] bool remove_domain(Domain& domain);

    Machine machine;

  private:
    struct Member;
    std::vector<std::unique_ptr<Member>> members_;
};

// A hypercall by `domain`'s vCPU 0, made again for as long as it asks to be continued. `after_each` runs
// between the parts.
template<Hypercall H>
HypercallResult call(Domain& domain, std::array<std::uint64_t, 6> values, auto after_each) {
    HypercallArguments arguments{values};
    for (int parts = 0;; ++parts) {
        HypercallContext context{*domain.vcpus[0], domain, arguments};
        const auto result = H::decode(arguments).run(context);
        after_each();
        if (result || result.error() != Error::restart)
            return result;
        if (parts > 1'000'000)
            throw std::runtime_error{"a hypercall never ends"};
    }
}
template<Hypercall H>
HypercallResult call(Domain& domain, std::array<std::uint64_t, 6> values) {
    return call<H>(domain, values, [] {});
}

[[nodiscard]] inline std::uint64_t address(const void* p) { return reinterpret_cast<std::uint64_t>(p); }

// Entries as a guest writes them.
[[nodiscard]] constexpr std::uint64_t table_entry(Mfn mfn) {
    return mfn.value() << page_shift | entry::present | entry::writable | entry::user;
}
[[nodiscard]] constexpr std::uint64_t writable_entry(Mfn mfn) { return table_entry(mfn); }
[[nodiscard]] constexpr std::uint64_t readonly_entry(Mfn mfn) {
    return mfn.value() << page_shift | entry::present | entry::user;
}

} // namespace bulkhead::hv::host
