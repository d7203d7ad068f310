// Three guests with address spaces, one of which lends to another: what the tests of grants start from.
#pragma once

#include "hv/calls/grant.hpp"
#include "hv/grant/map.hpp"
#include "hv/mm/entry.hpp"
#include "hv/mm/paging.hpp"
#include "tests/unit/event_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {

constexpr std::uint64_t page_at(unsigned i) { return std::uint64_t{i} * page_bytes; }

// A domain with an address space: one L1 that covers addresses 0 to 2 MiB.
struct Guest {
    explicit Guest(World& in, const char* name, bool privileged = false)
        : world{in}, domain{in.add_domain(name, 1, privileged)}, vcpu{*domain.vcpus[0]} {
        const Mfn tables[] = {allocate(), allocate(), allocate(), allocate()};
        for (int level = 0; level < 3; ++level)
            machine::frame_as<std::uint64_t>(tables[level])[0] = tables[level + 1].value() << page_shift | 7;
        EXPECT_TRUE(get_typed(tables[0], FrameType::l4, domain));
        vcpu.tables.kernel_root = tables[0];
        l1 = tables[3];
    }

    Mfn allocate() { return *frame_table().allocate(domain); }
    std::uint64_t leaf(unsigned page) const { return machine::frame_as<std::uint64_t>(l1)[page]; }
    std::uint64_t entry_address(unsigned page) const { return (l1.value() << page_shift) + page * 8; }

    grant_entry_v1_t& entry(std::uint32_t ref) const {
        return machine::frame_as<grant_entry_v1_t>(
            domain.grants.frames[ref / grants_per_frame])[ref % grants_per_frame];
    }
    void lend(std::uint32_t ref, const Guest& to, Mfn frame, unsigned flags = GTF_permit_access) const {
        entry(ref) = {.flags = static_cast<std::uint16_t>(flags),
                      .domid = to.domain.id.value(),
                      .frame = static_cast<std::uint32_t>(frame.value())};
    }

    std::int64_t status(std::uint32_t command, auto operation) {
        EXPECT_EQ(world.call<GrantTableOp>(vcpu, command, world.put(operation), 1), 0);
        return world.get<decltype(operation)>().status;
    }
    gnttab_map_grant_ref_t mapping(const Guest& of, std::uint32_t ref, std::uint64_t address,
                                   unsigned flags) {
        return {.host_addr = address,
                .flags = flags | GNTMAP_host_map,
                .ref = ref,
                .dom = of.domain.id.value(),
                .status = 0,
                .handle = 0,
                .dev_bus_addr = 0};
    }
    std::int64_t map(const Guest& of, std::uint32_t ref, std::uint64_t address, unsigned flags = 0) {
        const auto result = status(GNTTABOP_map_grant_ref, mapping(of, ref, address, flags));
        handle = world.get<gnttab_map_grant_ref_t>().handle;
        return result;
    }
    std::int64_t unmap(grant_handle_t of, std::uint64_t address) {
        return status(
            GNTTABOP_unmap_grant_ref,
            gnttab_unmap_grant_ref_t{.host_addr = address, .dev_bus_addr = 0, .handle = of, .status = 0});
    }

    World& world;
    Domain& domain;
    Vcpu& vcpu;
    Mfn l1;
    grant_handle_t handle = 0; // of the last mapping
};

class Grants : public testing::Test {
  protected:
    World world{2048};
    Guest control{world, "control", true};
    Guest lender{world, "lender"};
    Guest borrower{world, "borrower"};
    Mfn page = lender.allocate();

    Grants() { EXPECT_TRUE(start_grants(lender.domain)); }
    ~Grants() override { EXPECT_EQ(audit_grants(), 0U); }

    std::uint32_t references(Mfn frame) { return frame_table().find(frame)->references(); }
    std::uint16_t flags(std::uint32_t ref) { return lender.entry(ref).flags; }
};

inline constexpr std::uint16_t in_use = GTF_permit_access | GTF_reading | GTF_writing;

} // namespace bulkhead::hv::test
