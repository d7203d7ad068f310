// Page tables of 32-bit guests: what validates, what must not, and that the hole and the places above 4 GiB
// stay closed.
#include "hv/calls/mmu.hpp"
#include "hv/calls/mmuext.hpp"
#include "hv/mm/descriptors.hpp"
#include "hv/mm/pae_m2p.hpp"
#include "hv/mm/walk.hpp"
#include "tests/unit/mm_fixture.hpp"

namespace bulkhead::hv::host {

namespace {

constexpr unsigned hole_slot = pae::first_hole_slot;

std::uint64_t kernel_entry(Mfn mfn) { return mfn.value() << page_shift | entry::present | entry::writable; }
std::uint64_t root_entry(Mfn mfn) { return mfn.value() << page_shift | entry::present; }

} // namespace

class PaeTest : public MemoryTest {
  protected:
    // Root, the L2 of the first GiB, an L1 for its first 2 MiB, and the L2 of the last GiB.
    struct PaeSpace {
        Mfn l3, l2, l1, top;
    };
    PaeTest() { make_pae(guest); }
    ~PaeTest() override { pae::the_m2p = {}; }
    static void make_pae(Domain& domain) {
        domain.pae = domain.vcpus[0]->processor.pae = true;
        domain.memory.max_metadata = 8;
    }

    PaeSpace make_pae_space() {
        const PaeSpace s{page(guest), page(guest), page(guest), page(guest)};
        words(s.l3)[0] = root_entry(s.l2);
        words(s.l3)[3] = root_entry(s.top);
        words(s.l2)[0] = table_entry(s.l1);
        return s;
    }

    HypercallResult extended(unsigned command, Mfn arg1) {
        const pae_abi::MmuextOp op{command, static_cast<std::uint32_t>(arg1.value()), 0};
        return call<PaeMmuextOp>(guest, {address(&op), 1, 0, DOMID_SELF});
    }
    void run_on(const PaeSpace& s) {
        EXPECT_TRUE(extended(MMUEXT_PIN_L3_TABLE, s.l3));
        EXPECT_TRUE(extended(MMUEXT_NEW_BASEPTR, s.l3));
    }
    HypercallResult map(std::uint64_t at, std::uint64_t e) {
        return call<PaeUpdateVaMapping>(guest, {at, e & 0xffffffff, e >> 32, UVMF_INVLPG});
    }
};

TEST_F(PaeTest, ValidatesATreeAndKeepsTheUsersBitAsItIs) {
    const auto s = make_pae_space();
    const auto data = page(guest), open = page(guest);
    words(s.l1)[0] = kernel_entry(data);
    words(s.l1)[1] = writable_entry(open);
    run_on(s);
    EXPECT_EQ(frame(s.l3).type(), FrameType::pae_l3);
    EXPECT_EQ(frame(s.l2).type(), FrameType::pae_l2);
    EXPECT_EQ(frame(s.top).type(), FrameType::pae_l2_top);
    EXPECT_EQ(frame(s.l1).type(), FrameType::pae_l1);
    EXPECT_EQ(words(s.l1)[0], kernel_entry(data));
    EXPECT_EQ(words(s.l1)[1], writable_entry(open));
    EXPECT_EQ(words(s.l3)[0], table_entry(s.l2)) << "the L3 that it really is must allow all";
    EXPECT_EQ(guest.vcpus[0]->tables.pae_root, s.l3);
    const auto own = guest.vcpus[0]->tables.kernel_root;
    EXPECT_EQ(world.machine.root, own);
    EXPECT_EQ(words(own)[0], table_entry(s.l3));
    for (unsigned i = 1; i < 256; ++i)
        EXPECT_EQ(words(own)[i], 0U);
    EXPECT_EQ(words(own)[256], Machine::hypervisor_entry(0));
    EXPECT_EQ(walk(own, GuestAddress{0}).leaf(), kernel_entry(data));
}

TEST_F(PaeTest, TheRootHasFourEntriesAndNoMore) {
    const auto s = make_pae_space();
    words(s.l3)[4] = table_entry(s.l2);
    words(s.l3)[511] = ~0ULL;
    run_on(s);
    EXPECT_EQ(words(s.l3)[4], 0U);
    EXPECT_EQ(words(s.l3)[511], 0U);
    for (const unsigned slot : {4U, 256U, 511U})
        expect_error(update(guest, s.l3, slot, root_entry(s.l2)), Error::invalid);
    EXPECT_TRUE(update(guest, s.l3, 1, root_entry(s.l2)));
}

TEST_F(PaeTest, TheHoleIsClosed) {
    const auto s = make_pae_space();
    words(s.top)[hole_slot] = table_entry(s.l1);
    words(s.top)[511] = table_entry(s.l1);
    words(s.top)[hole_slot - 1] = table_entry(s.l1);
    run_on(s);
    EXPECT_EQ(words(s.top)[hole_slot], 0U);
    EXPECT_EQ(words(s.top)[511], 0U);
    EXPECT_EQ(words(s.top)[hole_slot - 1], table_entry(s.l1));
    expect_error(update(guest, s.top, hole_slot, table_entry(s.l1)), Error::invalid);
    expect_error(update(guest, s.top, 511, 0), Error::invalid);
    EXPECT_TRUE(update(guest, s.l2, hole_slot, table_entry(s.l1))) << "of another GiB it is the guest's";
    expect_error(map(pae::hole, kernel_entry(page(guest))), Error::invalid);
}

// Whatever the guest put there is gone, and what is there leads to the table alone, which nobody may write.
TEST_F(PaeTest, TheHoleLeadsToTheMachineToPhysicalTable) {
    constexpr std::uint64_t rights = entry::present | entry::accessed, no_execute = 1ULL << 63;
    while (!pae::prepare_m2p()) {
    }
    const auto s = make_pae_space();
    words(s.top)[hole_slot] = table_entry(s.l1);
    words(s.top)[511] = table_entry(s.l1);
    run_on(s);
    const auto e = words(s.top)[hole_slot];
    EXPECT_EQ(e, pae::hole_entry(hole_slot));
    EXPECT_EQ(e & ~entry::address_bits, rights);
    EXPECT_EQ(words(s.top)[511], 0U);
    const auto leaf = words(entry::frame(e))[0];
    EXPECT_EQ(leaf & ~entry::address_bits, rights | no_execute);
    EXPECT_TRUE(frame_table().at(entry::frame(e)).belongs_to(Owner::hypervisor()));
    EXPECT_TRUE(frame_table().at(entry::frame(leaf)).belongs_to(Owner::hypervisor()));
    const auto mine = page(guest), others = page(dom0);
    EXPECT_TRUE(frame_table().set_pfn(mine, 77, guest));
    EXPECT_FALSE(frame_table().set_pfn(others, 78, guest));
    const auto* table = reinterpret_cast<const std::uint32_t*>(words(entry::frame(leaf)));
    EXPECT_EQ(table[mine.value()], 77U);
    EXPECT_EQ(table[others.value()], ~0U);
    expect_error(map(pae::hole, kernel_entry(mine)), Error::invalid);
    expect_error(update(guest, s.top, hole_slot, e), Error::invalid);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    EXPECT_TRUE(update(guest, s.l3, 3, 0));
    EXPECT_TRUE(extended(MMUEXT_TLB_FLUSH_LOCAL, Mfn{}));
    EXPECT_EQ(words(s.top)[hole_slot], 0U) << "data again, it says nothing of the hypervisor's frames";
}

// Each page that it needs is missing once: what it has made stays, and the next attempt goes on from there.
TEST_F(PaeTest, TheTableIsMadeAsMemoryComes) {
    std::vector<Mfn> all;
    while (const auto frame = frame_table().allocate_for_hypervisor())
        all.push_back(*frame);
    unsigned failures = 0;
    for (auto made = pae::prepare_m2p(); !made; made = pae::prepare_m2p()) {
        if (made.error() == Error::restart)
            continue;
        ASSERT_EQ(made.error(), Error::no_memory);
        ASSERT_LT(++failures, 100u);
        frame_table().free_for_hypervisor(all.back());
        all.pop_back();
    }
    EXPECT_EQ(failures, pae::the_m2p.pages + 1) << "an L1 and the pages, each after a failure of its own";
    for (const Mfn frame : all)
        frame_table().free_for_hypervisor(frame);
}

TEST_F(PaeTest, ARootNeedsAPageOfItsOwn) {
    const auto s = make_pae_space();
    EXPECT_TRUE(extended(MMUEXT_PIN_L3_TABLE, s.l3));
    guest.memory.max_metadata = guest.memory.metadata;
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, s.l3), fail(Error::no_memory));
    EXPECT_EQ(guest.vcpus[0]->tables.kernel_root, Mfn{});
    guest.memory.max_metadata = 8;
    EXPECT_TRUE(extended(MMUEXT_NEW_BASEPTR, s.l3));
}

TEST_F(PaeTest, AnL2OfTheLastGiBIsNoneOfAnother) {
    const auto s = make_pae_space();
    run_on(s);
    expect_error(update(guest, s.l3, 2, root_entry(s.top)), Error::invalid);
    EXPECT_TRUE(update(guest, s.l3, 3, 0));
    EXPECT_TRUE(update(guest, s.l3, 2, root_entry(s.top))) << "it has no use any more";
    EXPECT_EQ(frame(s.top).type(), FrameType::pae_l2);
    expect_error(update(guest, s.l3, 3, root_entry(s.top)), Error::invalid);
}

TEST_F(PaeTest, ATableIsNeverWritableNorAnothersNorLarge) {
    const auto s = make_pae_space();
    run_on(s);
    for (const auto table : {s.l1, s.l2, s.l3, s.top}) {
        expect_error(update(guest, s.l1, 9, kernel_entry(table)), Error::busy);
        EXPECT_TRUE(update(guest, s.l1, 9, root_entry(table)));
    }
    expect_error(update(guest, s.l1, 8, root_entry(page(dom0))), Error::busy);
    expect_error(update(guest, s.l1, 8, root_entry(Mfn{1 << 20})), Error::permission);
    expect_error(update(guest, s.l2, 8, table_entry(page(guest)) | 0x80), Error::invalid);
    expect_error(update(guest, s.l2, 8, root_entry(s.l2)), Error::invalid); // no linear tables here
    expect_error(extended(MMUEXT_NEW_BASEPTR, s.l2), Error::invalid);
    expect_error(extended(MMUEXT_NEW_BASEPTR, page(dom0)), Error::invalid);
    expect_error(extended(MMUEXT_PIN_L4_TABLE, page(guest)), Error::not_implemented);
}

TEST_F(PaeTest, AMappingByAddressIsOneOfTheL1) {
    const auto s = make_pae_space();
    run_on(s);
    const auto data = page(guest);
    EXPECT_TRUE(map(5 * page_bytes, kernel_entry(data)));
    EXPECT_EQ(words(s.l1)[5], kernel_entry(data));
    EXPECT_EQ(frame(data).type_references(), 1U);
    EXPECT_TRUE(map(5 * page_bytes, 0));
    EXPECT_EQ(frame(data).type_references(), 0U);
    expect_error(map(1 << 21, kernel_entry(data)), Error::invalid);
}

TEST_F(PaeTest, StoresIntoTablesAreUpdates) {
    const auto s = make_pae_space();
    words(s.l1)[1] = root_entry(s.l1);
    run_on(s);
    auto& vcpu = *guest.vcpus[0];
    const auto data = page(guest);
    const auto wanted = kernel_entry(data);
    const GuestAddress at{page_bytes + 7 * 8};
    EXPECT_EQ(emulate_pte_write(vcpu, GuestAddress{at.value() + 4}, wanted >> 32, 4), true);
    EXPECT_EQ(emulate_pte_write(vcpu, at, wanted & 0xffffffff, 4), true);
    EXPECT_EQ(words(s.l1)[7], wanted);
    EXPECT_EQ(emulate_pte_write(vcpu, at, kernel_entry(s.l2) & 0xffffffff, 4).error(), Error::busy);
    EXPECT_EQ(words(s.l1)[7], wanted);
}

TEST_F(PaeTest, AnotherRootReplacesTheFirst) {
    const auto s = make_pae_space();
    run_on(s);
    const auto other = page(guest);
    words(other)[0] = root_entry(s.l2);
    EXPECT_TRUE(extended(MMUEXT_NEW_BASEPTR, other));
    EXPECT_EQ(words(guest.vcpus[0]->tables.kernel_root)[0], table_entry(other));
    EXPECT_TRUE(extended(MMUEXT_UNPIN_TABLE, s.l3));
    EXPECT_EQ(frame(s.l3).type_references(), 0U);
    EXPECT_EQ(frame(s.top).type_references(), 0U) << "nothing else named it";
    EXPECT_EQ(frame(s.l2).type_references(), 1U);
}

TEST_F(PaeTest, AnInterruptedPinGoesOn) {
    const auto s = make_pae_space();
    const auto data = page(guest);
    for (unsigned i = 0; i < entry::per_table; ++i)
        words(s.l1)[i] = kernel_entry(data);
    world.machine.preempt_every = 3;
    int parts = 0;
    const pae_abi::MmuextOp op{MMUEXT_PIN_L3_TABLE, static_cast<std::uint32_t>(s.l3.value()), 0};
    EXPECT_TRUE(call<PaeMmuextOp>(guest, {address(&op), 1, 0, DOMID_SELF}, [&] {
        ++parts;
        EXPECT_EQ(audit(), 0U) << world.machine.console;
    }));
    world.machine.preempt_every = 0;
    EXPECT_GT(parts, 10);
    EXPECT_EQ(frame(s.l3).type(), FrameType::pae_l3);
}

TEST_F(PaeTest, TheEndReturnsEverything) {
    const auto before = frame_table().free_frames();
    auto& mortal = world.add_domain(100);
    make_pae(mortal);
    const auto l3 = frame_table().allocate(mortal).value();
    const pae_abi::MmuextOp op{MMUEXT_NEW_BASEPTR, static_cast<std::uint32_t>(l3.value()), 0};
    EXPECT_TRUE(call<PaeMmuextOp>(mortal, {address(&op), 1, 0, DOMID_SELF}));
    EXPECT_TRUE(world.remove_domain(mortal));
    EXPECT_EQ(frame_table().free_frames(), before);
}

TEST(PaeDescriptors, NoRing0AndNo64BitCode) {
    constexpr std::uint64_t code = 0x00cf'9b00'0000'ffff, long_mode = 1ULL << 53, wide = 1ULL << 54;
    for (std::uint64_t ring = 0; ring < 4; ++ring) {
        const auto checked = checked_pae_descriptor(code | ring << 45);
        ASSERT_TRUE(checked);
        EXPECT_EQ(*checked >> 45 & 3, ring == 0 ? 1 : ring);
        EXPECT_FALSE(checked_pae_descriptor(((code & ~wide) | ring << 45) | long_mode));
        for (std::uint64_t type = 0; type < 16; ++type) // gates, task states, local tables
            EXPECT_FALSE(checked_pae_descriptor(1ULL << 47 | ring << 45 | type << 40));
    }
    EXPECT_EQ(checked_pae_descriptor(long_mode), long_mode) << "not present";
}

} // namespace bulkhead::hv::host
