// What the tests of hv/mm start from: domain 0, a guest with a small address space, and the audit after every
// test.
#pragma once

#include "hv/calls/mmu.hpp"
#include "hv/calls/mmuext.hpp"
#include "tests/unit/mm_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::host {

// Four tables, unpinned and untyped as a guest's memory is at first: `base` is mapped by entry 0 of the L1.
struct Space {
    static constexpr std::uint64_t base = 0x40000000;
    Mfn l4, l3, l2, l1;
};

class MemoryTest : public ::testing::Test {
  protected:
    MemoryTest() : dom0{world.add_domain(400)}, guest{world.add_domain(400)} {}
    void TearDown() override { EXPECT_EQ(audit(), 0U) << world.machine.console; }

    Mfn page(Domain& domain) {
        const auto mfn = frame_table().allocate(domain);
        EXPECT_TRUE(mfn);
        return mfn.value_or(Mfn{});
    }
    std::uint64_t* words(Mfn mfn) { return world.machine.words(mfn); }
    static const Frame& frame(Mfn mfn) { return frame_table().at(mfn); }

    Space make_space(Domain& domain) {
        const Space s{page(domain), page(domain), page(domain), page(domain)};
        words(s.l4)[0] = table_entry(s.l3);
        words(s.l3)[1] = table_entry(s.l2);
        words(s.l2)[0] = table_entry(s.l1);
        return s;
    }

    // The vCPU runs on the space, which is pinned as kernels pin theirs.
    void run_on(Domain& domain, const Space& s) {
        EXPECT_TRUE(extended(domain, MMUEXT_PIN_L4_TABLE, s.l4.value()));
        EXPECT_TRUE(extended(domain, MMUEXT_NEW_BASEPTR, s.l4.value()));
    }

    HypercallResult extended(Domain& domain, unsigned command, std::uint64_t arg1, std::uint64_t arg2 = 0,
                             std::uint16_t owner = DOMID_SELF) {
        mmuext_op_t op{};
        op.cmd = command;
        op.arg1.mfn = arg1;
        op.arg2.src_mfn = arg2;
        return call<MmuextOp>(domain, {address(&op), 1, 0, owner});
    }

    HypercallResult update(Domain& domain, Mfn table, unsigned index, std::uint64_t value,
                           std::uint64_t command = MMU_NORMAL_PT_UPDATE, std::uint32_t domains = DOMID_SELF) {
        const mmu_update_t request{.ptr = table.value() << page_shift | index * 8 | command, .val = value};
        return call<MmuUpdate>(domain, {address(&request), 1, 0, domains});
    }

    static void expect_error(const auto& result, Error error) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error(), error);
    }

    World world{1200};
    Domain& dom0;
    Domain& guest;
};

} // namespace bulkhead::hv::host
