// The built-in policy of memory as a fuzzer's guests meet it: asked for each grant, and never short of frames
// itself. The basic blocks of its hooks are counted.
#pragma once

#include "hv/domain/domain.hpp"
#include "tests/fuzz/blocks.hpp"
#include "tests/unit/host_ground.hpp"

#include <algorithm>
#include <set>

namespace bulkhead::hv::test {

inline std::uint64_t longest_hook_seen = 0; // in basic blocks

struct CountedMemoryWorld : host_test::MemoryWorld {
    template<class Return, class... Formal, class... Actual>
    [[nodiscard]] host::Outcome<Return> call(const Plugin& plugin, Nanos budget, Hook hook, RealTime start,
                                             Return (*function)(Formal...), Actual&&... actual) const {
        const auto before = blocks;
        auto outcome = host_test::MemoryWorld::call(plugin, budget, hook, start, function, actual...);
        longest_hook_seen = std::max(longest_hook_seen, blocks - before);
        return outcome;
    }
};

class CountedMemoryPolicy {
  public:
    // Of domains 0 to `domains - 1`, each of which may have all of so many frames.
    CountedMemoryPolicy(std::uint16_t domains, std::uint64_t frames) {
        machine_.zones[0].frames = count(domains * frames);
        machine_.zones[1].frames = {};
        host_.start(CountedMemoryWorld::fallback(), nullptr);
        for (std::uint16_t i = 0; i < domains; ++i) {
            auto& domain = machine_.domains[i];
            domain.id = DomainId{i};
            domain.memory.slot = i;
            domain.memory.most = count(frames);
            domain.memory.least = host::least_of(domain.memory.most);
            admitted_[i] = host_.admit(domain);
        }
    }
    [[nodiscard]] bool has(const Domain& domain) const {
        return domain.id.value() < std::size(admitted_) && admitted_[domain.id.value()];
    }
    std::uint64_t grant(const Domain& domain, std::uint64_t frames) {
        settle(domain);
        const auto given = host_.populate(machine_.domains[domain.id.value()], count(frames));
        return static_cast<std::uint64_t>(given.count());
    }
    // The domain has what it took of its grants.
    void settle(const Domain& domain) {
        host_.settle(machine_.domains[domain.id.value()], memctl::ZoneId{0},
                     count(domain.memory.frames.count));
    }
    void rebalance() { host_.rebalance(); }
    void depart(const Domain& domain) {
        admitted_[domain.id.value()] = false;
        host_.depart(machine_.domains[domain.id.value()]);
    }

  private:
    static memctl::Frames count(std::uint64_t frames) {
        return memctl::Frames{static_cast<std::int64_t>(frames)};
    }
    // One for all runs: a page that was backed stays so.
    static host_test::Ground& ground() {
        static host_test::TestGround only;
        static const auto back = only.back_page;
        static std::set<std::uint64_t> backed;
        only.back_page = [](std::uint64_t page) { return !backed.insert(page).second || back(page); };
        return only;
    }
    host_test::MemoryMachine machine_;
    host::MemoryHost<CountedMemoryWorld> host_{CountedMemoryWorld{{{&ground()}, &machine_}}};
    bool admitted_[host_test::MemoryMachine::most_domains]{};
};

} // namespace bulkhead::hv::test
