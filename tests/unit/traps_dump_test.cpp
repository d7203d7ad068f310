// The dump of a guest says what it died of, in any state that the guest may have left.
#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/dump.hpp"
#include "hv/io/output.hpp"
#include "hv/mm/entry.hpp"
#include "hv/trap/trap.hpp"
#include "tests/unit/mm_world.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::hv {
namespace {

Vcpu* current = nullptr;
bool serial_keeps_up = true;
std::vector<trace::Record> traced;

} // namespace

Vcpu* current_vcpu() { return current; }
bool events_masked(const Vcpu&) { return true; }
bool pump_output() { return serial_keeps_up; }
bool output_has_room() { return serial_keeps_up; }
TraceMark trace_mark() { return {PcpuId{0}, traced.size()}; }
std::span<const trace::Record> trace_tail(const TraceMark& mark, std::size_t) {
    return {traced.data(), mark.written};
}

namespace {

using testing::HasSubstr;
using testing::Not;

struct DumpTest : testing::Test {
    host::World world{64};
    Domain& domain = world.add_domain(32);
    Vcpu& vcpu = *domain.vcpus[0];
    static constexpr std::uint64_t address = 0x401000;

    DumpTest() {
        current = nullptr;
        serial_keeps_up = true;
        traced = {{1000, static_cast<std::uint16_t>(trace::Event::hypercall_in), 1, 0, 0, 29, 0xabc},
                  {2000, 0xffff, 1, 0, 0, 0, 0}}; // no such event
        vcpu.processor.in_kernel = true;
        vcpu.regs.rip = address;
        vcpu.regs.rsp = address + 0x800;
    }
    // Maps `address` to a frame through tables that are written here directly.
    Mfn map() {
        Mfn tables[5];
        for (auto& table : tables)
            table = frame_table().allocate(domain).value();
        constexpr unsigned index[] = {0, 0, 2, 1};
        for (unsigned level = 0; level < 4; ++level)
            world.machine.words(tables[level])[index[level]] = tables[level + 1].value() << page_shift |
                                                               entry::present | entry::user |
                                                               (level < 3 ? entry::writable : 0);
        vcpu.tables.kernel_root = tables[0];
        return tables[4];
    }
    std::string dump() {
        world.machine.console.clear();
        begin_dump(domain.dump, vcpu);
        EXPECT_TRUE(continue_dump(domain.dump));
        return world.machine.console;
    }

    void raised(unsigned vector, std::uint64_t error, std::uint64_t at) {
        vcpu.last_exception = {vcpu.regs.rip, error, at, vector, vcpu.processor.in_kernel, true};
    }
};

TEST_F(DumpTest, PageFaultIsNamedWithItsWalk) {
    const auto frame = map();
    raised(vector::page_fault, page_fault::write | page_fault::present, address + 8);
    const auto text = dump();
    EXPECT_THAT(text,
                HasSubstr("#PF page fault at rip 0000000000401000 in kernel mode, error 3 (write of address "
                          "0000000000401008, page present)"));
    EXPECT_THAT(text, HasSubstr("page tables for the fault 0000000000401008"));
    char leaf[64];
    std::snprintf(leaf, sizeof leaf, "ur  frame %lx of domain %u", frame.value(),
                  unsigned{domain.id.value()});
    EXPECT_THAT(text, HasSubstr(leaf));
}

TEST_F(DumpTest, AVcpuWithoutAnExceptionShowsNone) { EXPECT_THAT(dump(), Not(HasSubstr("last exception"))); }

TEST_F(DumpTest, StrayRootsAndAddressesAreNotFollowed) {
    vcpu.tables.kernel_root = Mfn{0x123456789};
    vcpu.regs.rip = 0xffff820000000000;
    vcpu.regs.rsp = 0x0000900000000000;
    vcpu.info = nullptr;
    current = &vcpu;
    const auto text = dump();
    EXPECT_THAT(text, HasSubstr("rip ffff820000000000: no address of a guest"));
    EXPECT_THAT(text, HasSubstr("rsp 0000900000000000: no address of a guest"));
    EXPECT_THAT(text, HasSubstr("code ffff820000000000: (unreadable)"));
    EXPECT_THAT(text, HasSubstr("events not set up"));
}

TEST_F(DumpTest, MemoryIsReadThroughTheGuestsTables) {
    const auto frame = map();
    world.machine.words(frame)[0] = 0xd1000f;
    vcpu.regs.rsp = address + page_bytes - 12;
    const auto text = dump();
    EXPECT_THAT(text, HasSubstr("code 0000000000401000: 0f 00 d1 00"));
    EXPECT_THAT(text, HasSubstr("stack 0000000000401ff4: 0000000000000000 (unreadable)"));
}

TEST_F(DumpTest, IsPrintedLineByLineAsItWasAtTheCrash) {
    map();
    raised(vector::page_fault, page_fault::write, address + 8);
    const auto whole = dump();
    const auto lines = static_cast<std::uint64_t>(std::ranges::count(whole, '\n'));
    world.machine.console.clear();
    begin_dump(domain.dump, vcpu);
    raised(vector::divide, 0, 0); // after the crash
    traced.push_back({3000, 0, 2, 0, 0, 0, 0});
    world.machine.preempt_every = 1;
    std::uint64_t parts = 1;
    while (!continue_dump(domain.dump))
        ++parts;
    EXPECT_EQ(world.machine.console, whole);
    EXPECT_EQ(parts, lines + 1);             // the last one finds that there is no more
    EXPECT_TRUE(continue_dump(domain.dump)); // there is none any more
    EXPECT_EQ(world.machine.console, whole);
}

TEST_F(DumpTest, WaitsForTheSerialLine) {
    world.machine.console.clear();
    begin_dump(domain.dump, vcpu);
    serial_keeps_up = false;
    world.machine.preempt_every = 10;
    EXPECT_FALSE(continue_dump(domain.dump));
    EXPECT_EQ(world.machine.console, "");
    serial_keeps_up = true;
    world.machine.preempt_every = 0;
    EXPECT_TRUE(continue_dump(domain.dump));
    EXPECT_THAT(world.machine.console, HasSubstr("latest trace records"));
}

TEST_F(DumpTest, TraceRecordsByName) {
    const auto text = dump();
    EXPECT_THAT(text, HasSubstr("1000 ns  domain 1 vcpu 0  hypercall_in  1d abc"));
    EXPECT_THAT(text, HasSubstr("2000 ns  domain 1 vcpu 0  ?"));
}

TEST_F(DumpTest, HypervisorsOwnRegisters) {
    Registers regs{};
    regs.vector = 13;
    regs.rip = 0xffff828000123456;
    regs.rbp = 0x10; // no frame pointer of the hypervisor's
    current = &vcpu;
    dump_hypervisor(regs, 0x77);
    EXPECT_THAT(world.machine.console, HasSubstr("#GP protection, error 0, fault address 0000000000000077"));
    EXPECT_THAT(world.machine.console, HasSubstr("rip ffff828000123456"));
    EXPECT_THAT(world.machine.console, Not(HasSubstr("called from")));
}

} // namespace
} // namespace bulkhead::hv
