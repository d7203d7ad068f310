// Domains come, fill up, give frames back and take others, build page tables and go, a thousand times and in
// random order: every frame returns, and frames that lie side by side are to be had again.
#include "hv/calls/memory.hpp"
#include "tests/unit/mm_fixture.hpp"

#include <random>

namespace bulkhead::hv::host {

namespace {

constexpr int rounds = 1'000;
constexpr std::uint64_t machine_frames = 4'096, order_9 = 512;
constexpr unsigned audit_every = 25; // rounds

struct Guest {
    Domain* domain;
    std::vector<std::uint64_t> free_frames; // that it owns and maps nowhere
};

} // namespace

class Rounds : public ::testing::Test {
  protected:
    Rounds() { world.add_domain(400); }

    std::uint64_t draw(std::uint64_t least, std::uint64_t most) {
        return least + engine() % (most - least + 1);
    }
    HypercallResult reserve(Domain& domain, unsigned command, std::vector<std::uint64_t>& extents,
                            unsigned order) {
        xen_memory_reservation_t request{};
        request.extent_start.p = extents.data();
        request.nr_extents = extents.size();
        request.extent_order = order;
        request.domid = DOMID_SELF;
        return call<MemoryOp>(domain, {command, address(&request)});
    }

    void create() { guests.push_back({&world.add_domain(draw(64, 1'500)), {}}); }
    // Takes extents of an order until it has so many, or may have no more.
    void fill(Guest& guest) {
        const bool extent = frame_table().zones().kind() == ZoneKind::parts && draw(0, 3) == 0;
        const bool single = frame_table().zones().kind() == ZoneKind::colours; // runs have many colours
        const auto order = extent ? extent_order : single ? 0 : static_cast<unsigned>(draw(0, 3));
        std::vector<std::uint64_t> extents(extent ? draw(1, 2) : draw(1, single ? 500 : 200));
        for (std::size_t i = 0; i < extents.size(); ++i)
            extents[i] = i << order;
        const auto done = reserve(*guest.domain, XENMEM_populate_physmap, extents, order);
        ASSERT_TRUE(done);
        const auto count = static_cast<std::uint64_t>(*done);
        taken += count << order;
        for (std::uint64_t i = 0; i < count; ++i)
            for (std::uint64_t frame = 0; frame < std::uint64_t{1} << order; ++frame)
                guest.free_frames.push_back(extents[i] + frame);
    }
    // Gives back frames from anywhere, so that holes stay.
    void balloon(Guest& guest) {
        std::ranges::shuffle(guest.free_frames, engine);
        std::vector<std::uint64_t> given(draw(0, guest.free_frames.size()));
        for (auto& frame : given) {
            frame = guest.free_frames.back();
            guest.free_frames.pop_back();
        }
        if (given.empty())
            return;
        EXPECT_EQ(reserve(*guest.domain, XENMEM_decrease_reservation, given, 0),
                  HypercallResult{given.size()});
    }
    // Four of its frames become page tables that map others, and are pinned; they stay so until it ends.
    void build(Guest& guest) {
        if (guest.free_frames.size() < 5)
            return;
        std::array<Mfn, 5> part;
        for (auto& frame : part) {
            frame = Mfn{guest.free_frames.back()};
            guest.free_frames.pop_back();
        }
        for (std::size_t i = 0; i + 1 < part.size(); ++i) {
            std::fill_n(world.machine.words(part[i]), page_bytes / 8, 0);
            world.machine.words(part[i])[i == 0 ? 3 : 1] = table_entry(part[i + 1]);
        }
        mmuext_op_t op{};
        op.cmd = MMUEXT_PIN_L4_TABLE;
        op.arg1.mfn = part[0].value();
        EXPECT_TRUE(call<MmuextOp>(*guest.domain, {address(&op), 1, 0, DOMID_SELF}));
    }
    void destroy(std::size_t which) {
        ASSERT_TRUE(world.remove_domain(*guests[which].domain));
        guests.erase(guests.begin() + static_cast<std::ptrdiff_t>(which));
    }

    void round() {
        if (guests.empty() || (guests.size() < 6 && draw(0, 3) == 0))
            return create();
        const auto which = static_cast<std::size_t>(draw(0, guests.size() - 1));
        switch (draw(0, 5)) {
        case 0:
            return destroy(which);
        case 1:
            return balloon(guests[which]);
        case 2:
            return build(guests[which]);
        default:
            return fill(guests[which]);
        }
    }

    void play();

    World world{machine_frames};
    std::mt19937_64 engine{1};
    std::vector<Guest> guests;
    std::uint64_t taken = 0; // in all
};

void Rounds::play() {
    const auto free = frame_table().free_frames();
    for (const std::uint64_t every : {0U, 3U}) { // preemption points that are taken
        world.machine.preempt_every = every;
        for (int i = 0; i < rounds / 2; ++i) {
            round();
            if (i % audit_every == 0) {
                ASSERT_EQ(audit(), 0U) << "round " << i << "\n" << world.machine.console;
            }
        }
    }
    EXPECT_GT(taken, 10 * machine_frames) << "the rounds must use the machine up many times";
    while (!guests.empty())
        destroy(guests.size() - 1);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    EXPECT_EQ(frame_table().free_frames(), free);
}

TEST_F(Rounds, AllFramesComeBackAndLieSideBySide) {
    play();
    EXPECT_TRUE(frame_table().allocate_contiguous(order_9));
}

// Each domain has the part of memory that belongs to its number. Afterwards every part can be had in whole
// extents, as at first.
TEST_F(Rounds, PartsOfMemoryAreWholeAgain) {
    constexpr std::uint32_t parts = 3;
    ASSERT_TRUE(frame_table().cut(ZoneKind::parts, parts, machine_frames * 9 / 10));
    play();
    for (std::uint32_t part = 0; part < parts; ++part) {
        auto& guest = world.add_domain(machine_frames);
        const auto whole = frame_table().zones().at(guest.id.value() % parts).frames / extent_frames;
        std::vector<std::uint64_t> extents(whole);
        EXPECT_EQ(reserve(guest, XENMEM_increase_reservation, extents, extent_order), HypercallResult{whole});
        EXPECT_GE(whole, 2U);
    }
    EXPECT_EQ(audit(), 0U) << world.machine.console;
}

TEST_F(Rounds, ColoursHaveTheirFramesBack) {
    ASSERT_TRUE(frame_table().cut(ZoneKind::colours, 8, machine_frames * 9 / 10));
    play();
}

} // namespace bulkhead::hv::host
