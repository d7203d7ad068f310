// Memory work of several domains on several pCPUs at once, each pCPU a thread. Frames move between the
// domains while others hold them as data, write to them and let them go. ThreadSanitizer sees what no lock or
// count orders; the audit sees what was counted wrong.
#include "tests/unit/mm_world.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <thread>

namespace bulkhead::hv::host {
namespace {

constexpr std::uint64_t frames = 64;
constexpr unsigned players = 3, steps = 60'000;

class Player {
  public:
    Player(World& world, Domain& self, std::uint32_t seed) : world_{world}, self_{self}, random_{seed} {}

    void play(PcpuId pcpu) {
        this_thread_is = pcpu;
        for (unsigned i = 0; i < steps; ++i) {
            step();
            if (i % 4 == 0) // computers with few processors interleave seldom
                std::this_thread::yield();
        }
    }

    // What it holds of others goes first, then its own memory.
    void end() {
        while (!held_.empty())
            drop();
        for (std::uint64_t i = 1; i < frames; ++i) {
            const LockGuard tables{self_.memory.tables};
            static_cast<void>(unpin(Mfn{i}, self_));
            if (frame_table().release(Mfn{i}, self_))
                --own_;
        }
        EXPECT_EQ(own_, 0) << "frames of the domain went or came without its doing";
    }

    std::uint64_t taken = 0, typed = 0; // how often it worked

  private:
    struct Hold {
        Mfn mfn;
        bool writable;
    };

    std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(random_() % n); }
    Mfn any() { return Mfn{1 + below(frames - 1)}; }

    void step() {
        switch (below(8)) {
        case 0:
        case 1:
            return allocate();
        case 2:
            return release();
        case 3: {
            const LockGuard tables{self_.memory.tables};
            typed += pin(any(), FrameType::l1, self_).has_value();
            return;
        }
        case 4: {
            const LockGuard tables{self_.memory.tables};
            static_cast<void>(unpin(any(), self_));
            return;
        }
        case 5:
            return exchange();
        default:
            return below(3) == 0 ? drop() : take();
        }
    }

    void allocate() {
        const LockGuard tables{self_.memory.tables};
        own_ += frame_table().allocate(self_).has_value();
    }
    // Of any frame: only its own may go.
    void release() {
        const LockGuard tables{self_.memory.tables};
        own_ -= frame_table().release(any(), self_).has_value();
    }
    void exchange() {
        const LockGuard tables{self_.memory.tables};
        static_cast<void>(frame_table().exchange(any(), self_));
    }

    // A frame of any domain, as a grant or a foreign mapping takes it.
    void take() {
        const Mfn mfn = any();
        auto* owner = find_domain(DomainId{static_cast<std::uint16_t>(below(players))});
        const bool writable = below(2) == 0;
        if (held_.size() == 8 || !get_data(mfn, *owner, writable))
            return;
        ++taken;
        held_.push_back({mfn, writable});
        if (writable) // nothing that is present as an entry; other writers are guests, whose races are theirs
            std::atomic_ref{world_.machine.words(mfn)[below(512)]}.store(2, std::memory_order_relaxed);
    }

    void drop() {
        if (held_.empty())
            return;
        std::swap(held_[below(held_.size())], held_.back());
        put_data(held_.back().mfn, held_.back().writable);
        held_.pop_back();
    }

    World& world_;
    Domain& self_;
    std::minstd_rand random_;
    std::vector<Hold> held_;
    int own_ = 0;
};

TEST(Race, FramesMoveWhileOthersHoldThem) {
    World world{frames};
    world.machine.pcpus = players;
    const auto free = frame_table().free_frames();
    std::vector<Player> all;
    for (unsigned i = 0; i < players; ++i)
        all.emplace_back(world, world.add_domain(frames / 2), i + 1);
    {
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < players; ++i)
            threads.emplace_back(
                [&player = all[i], i] { player.play(PcpuId{static_cast<std::uint16_t>(i)}); });
    }
    for (auto& player : all) {
        EXPECT_GT(player.taken, steps / 100);
        EXPECT_GT(player.typed, steps / 100);
    }
    std::ranges::for_each(all, &Player::end);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    EXPECT_EQ(frame_table().free_frames(), free);
}

#ifdef BULKHEAD_LOCK_ORDER
TEST(LockOrder, IsAsserted) {
    const Machine machine{2};
    Lock<Rank::grants> grants;
    Lock<Rank::tables> first, second, third;
    Lock<Rank::free_frames> leaf;
    {
        const LockGuard outer{first};
        EXPECT_THROW(grants.lock(), Panic) << "one of smaller rank";
        EXPECT_THROW(second.lock(), Panic) << "one of the same rank, not as the second";
        second.lock_second();
        EXPECT_THROW(third.lock_second(), Panic) << "never three";
        const LockGuard inner{leaf};
        EXPECT_THROW(third.lock_second(), Panic);
        second.unlock();
    }
    const LockGuard again{grants}; // all were given up
}
#endif

} // namespace
} // namespace bulkhead::hv::host
