// memory_op, descriptor tables and vm_assist.
#include "hv/calls/descriptors.hpp"
#include "hv/calls/memory.hpp"
#include "hv/mm/descriptors.hpp"
#include "tests/unit/mm_fixture.hpp"

#include <numeric>

namespace bulkhead::hv::host {

namespace {
constexpr std::uint64_t code64 = 0x00af9a000000ffff, data32 = 0x00cf92000000ffff, gate = 0x00008c0000080000,
                        task = 0x0000890000000067;
} // namespace

class ReservationTest : public MemoryTest {
  protected:
    HypercallResult reserve(Domain& caller, unsigned command, std::vector<std::uint64_t>& extents,
                            unsigned order = 0, std::uint16_t domid = DOMID_SELF) {
        xen_memory_reservation_t request{};
        request.extent_start.p = extents.empty() ? nullptr : extents.data();
        request.nr_extents = extents.empty() ? 3 : extents.size();
        request.extent_order = order;
        request.domid = domid;
        parts = 0;
        return call<MemoryOp>(caller, {command, address(&request)}, [this] { ++parts; });
    }
    int parts = 0; // of the last call
    std::vector<std::uint64_t> list = std::vector<std::uint64_t>(50);
};

TEST_F(ReservationTest, PopulateAndDecrease) {
    std::iota(list.begin(), list.end(), 1000);
    world.machine.preempt_every = 1;
    EXPECT_EQ(reserve(guest, XENMEM_populate_physmap, list), HypercallResult{50});
    EXPECT_EQ(parts, 50);
    EXPECT_EQ(guest.memory.frames.count, 50U);
    for (std::uint64_t i = 0; i < 50; ++i)
        EXPECT_EQ(machine::get_m2p(Mfn{list[i]}), 1000 + i);
    const auto first = list[0];
    EXPECT_EQ(reserve(guest, XENMEM_decrease_reservation, list), HypercallResult{50});
    EXPECT_EQ(guest.memory.frames.count, 0U);
    EXPECT_EQ(machine::get_m2p(Mfn{first}), machine::m2p_invalid);
    EXPECT_EQ(reserve(guest, XENMEM_decrease_reservation, list), HypercallResult{0});
}

TEST_F(ReservationTest, StopsAtTheQuotaAndAtBadAddresses) {
    guest.memory.max_frames = 20;
    EXPECT_EQ(reserve(guest, XENMEM_populate_physmap, list), HypercallResult{20});
    guest.memory.max_frames = 100;
    world.machine.copies_allowed = 6; // the request, then two for each extent, and the third can't be told
    EXPECT_EQ(reserve(guest, XENMEM_populate_physmap, list), HypercallResult{2});
    EXPECT_EQ(guest.memory.frames.count, 22U);
}

TEST_F(ReservationTest, HigherOrders) {
    list.resize(2);
    list = {512, 1024};
    EXPECT_EQ(reserve(guest, XENMEM_populate_physmap, list, 3), HypercallResult{2});
    EXPECT_EQ(list[0] % 8, 0U);
    EXPECT_EQ(machine::get_m2p(Mfn{list[1] + 7}), 1024U + 7);
    EXPECT_EQ(reserve(guest, XENMEM_decrease_reservation, list, 3), HypercallResult{2});
    EXPECT_EQ(reserve(guest, XENMEM_populate_physmap, list, 4), HypercallResult{0});
    EXPECT_EQ(reserve(guest, XENMEM_populate_physmap, list, ~0U), HypercallResult{0});
    EXPECT_EQ(reserve(guest, XENMEM_decrease_reservation, list, 63), HypercallResult{0});
}

TEST_F(ReservationTest, IncreaseWithAndWithoutAList) {
    EXPECT_EQ(reserve(guest, XENMEM_increase_reservation, list), HypercallResult{50});
    EXPECT_EQ(machine::get_m2p(Mfn{list[0]}), machine::m2p_invalid);
    std::vector<std::uint64_t> none;
    EXPECT_EQ(reserve(guest, XENMEM_increase_reservation, none), HypercallResult{3});
    EXPECT_EQ(reserve(guest, XENMEM_populate_physmap, none), HypercallResult{0});
}

TEST_F(ReservationTest, OnlyDomainZeroChangesOthers) {
    EXPECT_EQ(reserve(guest, XENMEM_populate_physmap, list, 0, dom0.id.value()), HypercallResult{0});
    EXPECT_EQ(reserve(dom0, XENMEM_populate_physmap, list, 0, guest.id.value()), HypercallResult{50});
    EXPECT_EQ(guest.memory.frames.count, 50U);
    EXPECT_EQ(reserve(dom0, XENMEM_decrease_reservation, list), HypercallResult{0}); // not its own
}

TEST_F(ReservationTest, HostileNumbers) {
    xen_memory_reservation_t request{};
    request.extent_start.p = reinterpret_cast<xen_pfn_t*>(0xffff800000000000);
    request.nr_extents = ~0UL;
    request.domid = DOMID_SELF;
    EXPECT_EQ(call<MemoryOp>(guest, {XENMEM_populate_physmap, address(&request)}), HypercallResult{0});
    request.nr_extents = ~0UL >> 6;
    EXPECT_EQ(call<MemoryOp>(guest, {XENMEM_populate_physmap, address(&request)}), HypercallResult{0});
    EXPECT_EQ(call<MemoryOp>(guest, {XENMEM_populate_physmap | ~0ULL << 6, address(&request)}),
              HypercallResult{static_cast<std::int64_t>(~0ULL >> 6)});
    EXPECT_EQ(call<MemoryOp>(guest, {XENMEM_populate_physmap, 0xffff800000000000}), HypercallResult{0});
    expect_error(call<MemoryOp>(guest, {XENMEM_add_to_physmap, 0}), Error::not_implemented);
    expect_error(call<MemoryOp>(guest, {63, 0}), Error::not_implemented);
}

TEST_F(ReservationTest, AMappedFrameIsFreedWithItsLastMapping) {
    const auto s = make_space(guest);
    list = {page(guest).value()};
    words(s.l1)[0] = writable_entry(Mfn{list[0]});
    run_on(guest, s);
    EXPECT_EQ(reserve(guest, XENMEM_decrease_reservation, list), HypercallResult{1});
    EXPECT_EQ(frame(Mfn{list[0]}).owner.load(), Owner{guest.id});
    ASSERT_TRUE(update(guest, s.l1, 0, 0));
    EXPECT_EQ(frame(Mfn{list[0]}).owner.load(), Owner::nobody());
    list = {s.l1.value(), s.l4.value()}; // tables given up while in use stay tables
    EXPECT_EQ(reserve(guest, XENMEM_decrease_reservation, list), HypercallResult{2});
    EXPECT_TRUE(frame(s.l1).validated());
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    ASSERT_TRUE(update(guest, s.l2, 0, 0));
    EXPECT_EQ(frame(s.l1).owner.load(), Owner::nobody());
}

TEST_F(ReservationTest, Exchange) {
    std::vector<std::uint64_t> in;
    std::vector<std::uint64_t> out{70, 71, 72};
    for (int i = 0; i < 3; ++i)
        in.push_back(page(guest).value());
    xen_memory_exchange_t request{};
    request.in.extent_start.p = in.data();
    request.out.extent_start.p = out.data();
    request.in.nr_extents = request.out.nr_extents = 3;
    request.in.domid = request.out.domid = DOMID_SELF;
    world.machine.preempt_every = 1;
    EXPECT_EQ(call<MemoryOp>(guest, {XENMEM_exchange, address(&request)}), HypercallResult{0});
    EXPECT_EQ(request.nr_exchanged, 3U);
    EXPECT_EQ(machine::get_m2p(Mfn{out[2]}), 72U);
    EXPECT_EQ(guest.memory.frames.count, 3U);
    request.nr_exchanged = 0;
    expect_error(call<MemoryOp>(guest, {XENMEM_exchange, address(&request)}),
                 Error::invalid); // no longer its own
    request.out.extent_order = 9;
    expect_error(call<MemoryOp>(guest, {XENMEM_exchange, address(&request)}), Error::not_supported);
}

TEST_F(ReservationTest, Reports) {
    xen_memory_domain who{.domid = DOMID_SELF};
    page(guest);
    EXPECT_EQ(call<MemoryOp>(guest, {XENMEM_current_reservation, address(&who)}), HypercallResult{1});
    EXPECT_EQ(call<MemoryOp>(guest, {XENMEM_maximum_reservation, address(&who)}), HypercallResult{400});
    EXPECT_EQ(call<MemoryOp>(guest, {XENMEM_maximum_ram_page, 0}), HypercallResult{1199});
    who.domid = 0;
    expect_error(call<MemoryOp>(guest, {XENMEM_current_reservation, address(&who)}), Error::permission);
    xen_machphys_mapping_t mapping{};
    ASSERT_TRUE(call<MemoryOp>(guest, {XENMEM_machphys_mapping, address(&mapping)}));
    EXPECT_EQ(mapping.v_start, 0xffff800000000000U);
    EXPECT_EQ(mapping.max_mfn, 1199U);
    struct [[gnu::packed]] {
        std::uint64_t start, bytes;
        std::uint32_t type;
    } ranges[2] = {};
    xen_memory_map_t map{};
    map.nr_entries = 2;
    map.buffer.p = ranges;
    ASSERT_TRUE(call<MemoryOp>(guest, {XENMEM_memory_map, address(&map)}));
    EXPECT_EQ(map.nr_entries, 1U);
    const std::uint64_t bytes = ranges[0].bytes;
    EXPECT_EQ(bytes, 400U * 4096);
    map.nr_entries = 0;
    expect_error(call<MemoryOp>(guest, {XENMEM_memory_map, address(&map)}), Error::invalid);
}

TEST(Descriptor, IsForcedIntoRingThree) {
    static_assert(*checked_descriptor(0) == 0);
    static_assert(*checked_descriptor(code64) == (code64 | 3ULL << 45 | 1ULL << 40));
    static_assert(!checked_descriptor(gate) && !checked_descriptor(task));
    static_assert(*checked_descriptor(gate & ~(1ULL << 47)) ==
                  (gate & ~(1ULL << 47))); // not present: harmless
    EXPECT_EQ(*checked_descriptor(data32) >> 45 & 3, 3U);
}

class DescriptorTest : public MemoryTest {
  protected:
    HypercallResult load(std::vector<std::uint64_t> frames, std::uint32_t entries) {
        return call<SetGdt>(guest, {address(frames.data()), entries});
    }
};

TEST_F(DescriptorTest, SetGdt) {
    const auto a = page(guest), b = page(guest);
    words(a)[1] = code64;
    words(b)[511] = data32;
    world.machine.preempt_every = 1;
    ASSERT_TRUE(load({a.value(), b.value()}, 1024));
    EXPECT_EQ(words(a)[1], *checked_descriptor(code64));
    EXPECT_EQ(words(b)[511], *checked_descriptor(data32));
    EXPECT_EQ((world.machine.descriptors[{guest.vcpus[0]->sched.slot, false}]), (std::vector{a, b}));
    EXPECT_EQ(guest.vcpus[0]->tables.gdt_entries, 1024U);
    expect_error(get_data(a, guest, true), Error::invalid);
    const auto c = page(guest);
    words(c)[3] = gate;
    expect_error(load({b.value(), c.value()}, 1024), Error::invalid);
    EXPECT_EQ(guest.vcpus[0]->tables.gdt_frames[0], a); // all or nothing
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    expect_error(load({page(dom0).value()}, 512), Error::invalid);
    expect_error(load({}, FIRST_RESERVED_GDT_ENTRY + 1), Error::invalid);
    expect_error(call<SetGdt>(guest, {0xffff800000000000, 1}), Error::bad_address);
    ASSERT_TRUE(load({}, 0));
    ASSERT_TRUE(get_data(a, guest, true));
    put_data(a, true);
}

// Each page takes several parts of the call, so that none may start from the beginning again.
TEST_F(DescriptorTest, AllPagesOfAGdtAreTakenInTheEnd) {
    std::vector<std::uint64_t> frames, others;
    for (unsigned i = 0; i < FIRST_RESERVED_GDT_PAGE; ++i) {
        frames.push_back(page(guest).value());
        others.push_back(page(guest).value());
        words(Mfn{frames[i]})[i] = data32;
    }
    world.machine.preempt_every = 10;
    HypercallArguments arguments{{address(others.data()), FIRST_RESERVED_GDT_ENTRY}};
    HypercallContext context{*guest.vcpus[0], guest, arguments};
    for (int parts = 0; parts < 20; ++parts) // and then its guest loses interest
        expect_error(SetGdt::decode(arguments).run(context), Error::restart);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
    ASSERT_TRUE(load(frames, FIRST_RESERVED_GDT_ENTRY));
    for (const auto mfn : frames)
        EXPECT_EQ(frame(Mfn{mfn}).type_references(), 1U);
    for (const auto mfn : others)
        EXPECT_EQ(frame(Mfn{mfn}).type_references(), 0U);
    EXPECT_EQ(audit(), 0U) << world.machine.console;
}

TEST_F(DescriptorTest, UpdateDescriptor) {
    const auto table = page(guest);
    const auto at = table.value() << page_shift | 16;
    ASSERT_TRUE(call<UpdateDescriptor>(guest, {at, code64})); // data as yet
    ASSERT_TRUE(load({table.value()}, 512));
    ASSERT_TRUE(call<UpdateDescriptor>(guest, {at, data32}));
    EXPECT_EQ(words(table)[2], *checked_descriptor(data32));
    expect_error(call<UpdateDescriptor>(guest, {at, gate}), Error::invalid);
    expect_error(call<UpdateDescriptor>(guest, {at + 4, data32}), Error::invalid);
    expect_error(call<UpdateDescriptor>(guest, {page(dom0).value() << page_shift, data32}), Error::invalid);
    const auto s = make_space(guest);
    run_on(guest, s);
    expect_error(call<UpdateDescriptor>(guest, {s.l1.value() << page_shift, data32}), Error::invalid);
    EXPECT_EQ(words(table)[2], *checked_descriptor(data32));
}

TEST_F(DescriptorTest, SetLdt) {
    const auto s = make_space(guest);
    const auto table = page(guest);
    words(s.l1)[4] = readonly_entry(table);
    words(s.l1)[5] = writable_entry(page(guest));
    run_on(guest, s);
    words(table)[0] = data32;
    ASSERT_TRUE(extended(guest, MMUEXT_SET_LDT, Space::base + 4 * page_bytes, 100));
    EXPECT_EQ((world.machine.descriptors[{guest.vcpus[0]->sched.slot, true}]), (std::vector{table}));
    expect_error(update(guest, s.l1, 4, writable_entry(table)), Error::busy);
    expect_error(extended(guest, MMUEXT_SET_LDT, Space::base + 4 * page_bytes, 1000),
                 Error::invalid); // one is writable
    expect_error(extended(guest, MMUEXT_SET_LDT, Space::base + 6 * page_bytes, 1), Error::invalid);
    expect_error(extended(guest, MMUEXT_SET_LDT, Space::base + 8, 1), Error::invalid);
    expect_error(extended(guest, MMUEXT_SET_LDT, Space::base, 8193), Error::invalid);
    EXPECT_EQ(guest.vcpus[0]->tables.ldt_entries, 100U);
    ASSERT_TRUE(extended(guest, MMUEXT_SET_LDT, 0, 0));
    EXPECT_TRUE(update(guest, s.l1, 4, writable_entry(table)));
}

TEST_F(DescriptorTest, VmAssist) {
    EXPECT_TRUE(call<VmAssist>(guest, {VMASST_CMD_enable, VMASST_TYPE_writable_pagetables}));
    EXPECT_EQ(guest.vm_assist, 1U << VMASST_TYPE_writable_pagetables);
    EXPECT_TRUE(call<VmAssist>(guest, {VMASST_CMD_disable, VMASST_TYPE_writable_pagetables}));
    EXPECT_EQ(guest.vm_assist, 0U);
    expect_error(call<VmAssist>(guest, {VMASST_CMD_enable, 6}), Error::invalid);
    expect_error(call<VmAssist>(guest, {VMASST_CMD_enable, 4000000000}), Error::invalid);
    expect_error(call<VmAssist>(guest, {2, VMASST_TYPE_writable_pagetables}), Error::not_implemented);
}

} // namespace bulkhead::hv::host
