// Changes of the hypervisor's half on several pCPUs, over a model of their TLBs that knows global pages: a
// load of CR3 keeps them, as hardware does. Random steps; the oracle is that no pCPU translates to a frame
// that was freed.
#include "hv/arch/hypervisor_half.hpp"

#include <array>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace bulkhead::hv {
namespace {

constexpr unsigned pcpus = 4, places = 12;
constexpr std::uint64_t global = 0x100, accessed = 0x20, base = 0xffff82c000000000;

class Machine {
  public:
    std::uint64_t& entry(std::uint64_t address) { return entries_[address]; }
    void drop_here(std::uint64_t address) { tlbs_[self].erase(address); }
    void drop_elsewhere() {
        for (unsigned i = 0; i < pcpus; ++i)
            if (i != self)
                tlbs_[i].clear();
    }

    // The processor's side: a use of an address caches its entry, and marks it accessed.
    void use(unsigned pcpu, std::uint64_t address) {
        auto& e = entries_[address];
        if ((e & hypervisor_half::present) != 0 && !tlbs_[pcpu].contains(address))
            tlbs_[pcpu][address] = e |= accessed;
    }
    void load_cr3(unsigned pcpu) {
        std::erase_if(tlbs_[pcpu], [](const auto& cached) { return (cached.second & global) == 0; });
    }
    [[nodiscard]] bool reaches(std::uint64_t frame) const {
        for (const auto& tlb : tlbs_)
            for (const auto& [address, e] : tlb)
                if (e >> page_shift == frame)
                    return true;
        return false;
    }
    unsigned self = 0; // the pCPU that changes entries

  private:
    std::map<std::uint64_t, std::uint64_t> entries_;
    std::array<std::map<std::uint64_t, std::uint64_t>, pcpus> tlbs_;
};

// Domains' structures that come and go: some pages at a place, freed as soon as they are unmapped, and used
// again at once.
class Life {
  public:
    explicit Life(unsigned seed) : random_{seed} {
        for (std::uint64_t frame = 1; frame <= 40; ++frame)
            free_.insert(frame);
    }
    void step() {
        machine_.self = pick(pcpus);
        for (unsigned i = 0; i < 8; ++i) {
            machine_.use(pick(pcpus), base + pick(places * 3) * page_bytes);
            machine_.load_cr3(pick(pcpus));
        }
        auto& frames = held_[pick(places)];
        const auto address = base + static_cast<std::uint64_t>(&frames - held_.data()) * 3 * page_bytes;
        if (frames.empty())
            create(frames, address);
        else
            destroy(frames, address);
    }

  private:
    unsigned pick(unsigned below) { return std::uniform_int_distribution{0U, below - 1}(random_); }
    void create(std::vector<std::uint64_t>& frames, std::uint64_t address) {
        for (unsigned i = 0; i < 3 && !free_.empty(); ++i)
            frames.push_back(free_.extract(free_.begin()).value());
        hypervisor_half::change(machine_, address, frames.size(), [&](std::uint64_t i) {
            return frames[i] << page_shift | global | hypervisor_half::present;
        });
    }
    void destroy(std::vector<std::uint64_t>& frames, std::uint64_t address) {
        hypervisor_half::change(machine_, address, frames.size(), [](std::uint64_t) { return 0; });
        for (const auto frame : frames) {
            ASSERT_FALSE(machine_.reaches(frame)) << "a pCPU still uses frame " << frame;
            free_.insert(frame);
        }
        frames.clear();
    }

    std::mt19937 random_;
    Machine machine_;
    std::set<std::uint64_t> free_;
    std::array<std::vector<std::uint64_t>, places> held_;
};

TEST(HypervisorHalf, NoPcpuReachesAFrameThatIsFreed) {
    for (unsigned seed = 0; seed < 20; ++seed) {
        Life life{seed};
        for (unsigned i = 0; i < 2'000; ++i) {
            life.step();
            ASSERT_FALSE(HasFatalFailure()) << "seed " << seed << " step " << i;
        }
    }
}

TEST(HypervisorHalf, AReplacedFrameIsReachedNoMoreEither) {
    Machine machine;
    const auto map = [&](std::uint64_t frame) {
        hypervisor_half::change(machine, base, 1, [&](std::uint64_t) {
            return frame << page_shift | global | hypervisor_half::present;
        });
    };
    map(7);
    for (unsigned pcpu = 0; pcpu < pcpus; ++pcpu)
        machine.use(pcpu, base);
    map(7); // nothing changes: no need to disturb anybody
    EXPECT_TRUE(machine.reaches(7));
    map(8);
    EXPECT_FALSE(machine.reaches(7));
}

} // namespace
} // namespace bulkhead::hv
