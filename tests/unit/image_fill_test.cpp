#include "image/fill.hpp"
#include "image/hypercall_page.hpp"
#include "image_maker.hpp"

#include <gtest/gtest.h>
#include <xen/elfnote.h>

namespace bulkhead::test {
namespace {

using namespace image;

constexpr std::uint64_t base = 0xffffffff80000000;

// A whole domain in host memory. Frame p of the domain is machine frame 2 p + 1000, so that mixing the two up
// shows.
class Machine {
  public:
    Machine(const std::vector<std::byte>& file, const Request& request, std::vector<std::byte> initrd = {})
        : kernel{*read_kernel(file)}, layout{*plan(kernel, request)}, initrd_{std::move(initrd)},
          info{*make_start_info(layout, {.command_line = "hello"})},
          memory_(layout.frames_used * page_bytes, std::byte{0xaa}) {
        const Contents contents{kernel, layout, initrd_, info};
        for (std::uint64_t pfn = 0; pfn < layout.frames_used; ++pfn)
            fill_frame(contents, Pfn{pfn}, mfn_of, frame(Pfn{pfn}));
    }

    static Mfn mfn_of(Pfn pfn) { return Mfn{2 * pfn.value() + 1000}; }
    Page frame(Pfn pfn) { return Page{memory_.data() + pfn.value() * page_bytes, page_bytes}; }
    std::uint64_t word(Pfn pfn, std::uint64_t index) {
        std::uint64_t value;
        std::memcpy(&value, frame(pfn).data() + index * 8, 8);
        return value;
    }

    struct Mapping {
        Pfn pfn;
        bool writable;
    };
    // What the processor's walk from the root finds.
    std::optional<Mapping> walk(std::uint64_t address) {
        Pfn table = layout.root();
        for (unsigned level = 4;; --level) {
            const auto entry = word(table, address >> level_shift(level) & 511);
            if (!(entry & entry_present))
                return std::nullopt;
            EXPECT_TRUE(entry & entry_user);
            const std::uint64_t mfn = entry >> page_shift;
            EXPECT_EQ(mfn % 2, 0U);
            table = Pfn{(mfn - 1000) / 2};
            if (level == 1)
                return Mapping{table, (entry & entry_writable) != 0};
            EXPECT_TRUE(layout.is_table(table));
        }
    }
    // All present leaves, counted from the tables themselves.
    std::uint64_t leaves(Pfn table, unsigned level) {
        std::uint64_t count = 0;
        for (unsigned i = 0; i < 512; ++i)
            if (const auto entry = word(table, i); entry & entry_present)
                count += level == 1 ? 1 : leaves(Pfn{((entry >> page_shift) - 1000) / 2}, level - 1);
        return count;
    }

    Kernel kernel;
    Layout layout;

  private:
    std::vector<std::byte> initrd_;

  public:
    start_info_t info;

  private:
    std::vector<std::byte> memory_;
};

std::vector<std::byte> kernel_file(std::uint64_t virt_base, std::optional<std::uint64_t> p2m = {}) {
    ImageMaker maker;
    maker.load(0x100ff0, std::string(32, 'k'), 0x3000);
    maker.load(0x105004, "data", 4);
    maker.note_number(XEN_ELFNOTE_VIRT_BASE, virt_base);
    maker.note_number(XEN_ELFNOTE_ENTRY, virt_base + 0x100ff0);
    maker.note_number(XEN_ELFNOTE_HYPERCALL_PAGE, virt_base + 0x102000);
    if (p2m)
        maker.note_number(XEN_ELFNOTE_INIT_P2M, *p2m);
    return maker.make();
}

Request request() { return {.pages = 16384, .initrd_bytes = 5000, .rings = true, .initrd_mapped = false}; }
std::vector<std::byte> initrd() { return std::vector<std::byte>(5000, std::byte{'i'}); }

void expect_region(Machine& machine) {
    const Layout& layout = machine.layout;
    for (std::uint64_t pfn = 0; pfn < layout.mapped_pages; ++pfn) {
        const auto mapping = machine.walk(layout.address(Pfn{pfn}).value());
        ASSERT_TRUE(mapping.has_value()) << pfn;
        EXPECT_EQ(mapping->pfn.value(), pfn);
        EXPECT_EQ(mapping->writable, !layout.is_table(Pfn{pfn})) << pfn;
    }
    const auto apart = layout.p2m_apart ? layout.p2m.count : 0;
    EXPECT_EQ(machine.leaves(layout.root(), 4), layout.mapped_pages + apart);
}

TEST(Fill, TablesMapTheRegionAndNothingElse) {
    for (const std::uint64_t virt_base :
         {base, std::uint64_t{0}, std::uint64_t{0x7fffc00000}, std::uint64_t{0x3f000}}) {
        Machine machine{kernel_file(virt_base), request(), initrd()};
        expect_region(machine);
    }
}

TEST(Fill, AListThatIsApartIsMappedWhereAsked) {
    Machine machine{kernel_file(base, 0x8000000000), request(), initrd()};
    expect_region(machine);
    for (std::uint64_t i = 0; i < machine.layout.p2m.count; ++i) {
        const auto mapping = machine.walk(0x8000000000 + i * page_bytes);
        ASSERT_TRUE(mapping.has_value());
        EXPECT_EQ(mapping->pfn, machine.layout.p2m.at(i));
        EXPECT_TRUE(mapping->writable);
    }
}

TEST(Fill, GrubsTablesMapIt) {
    const auto file = read_file(grub_path);
    ASSERT_FALSE(file.empty()) << "package grub-xen-host is missing";
    Machine machine{file, {.pages = 16384, .initrd_bytes = 0, .rings = true, .initrd_mapped = false}};
    expect_region(machine);
}

TEST(Fill, TheFrameListNamesEveryFrame) {
    Machine machine{kernel_file(base),
                    {.pages = 2000, .initrd_bytes = 0, .rings = true, .initrd_mapped = false}};
    for (std::uint64_t pfn = 0; pfn < 2048; ++pfn)
        EXPECT_EQ(machine.word(machine.layout.p2m.at(pfn / 512), pfn % 512),
                  pfn < 2000 ? Machine::mfn_of(Pfn{pfn}).value() : ~std::uint64_t{0});
}

TEST(Fill, KernelBytesLandWhereTheirSegmentsSay) {
    Machine machine{kernel_file(base), request(), initrd()};
    const auto at = [&machine](std::uint64_t place) {
        return static_cast<char>(machine.frame(Pfn{place / page_bytes})[place % page_bytes]);
    };
    EXPECT_EQ(at(0x100fef), 0);
    EXPECT_EQ(at(0x100ff0), 'k');
    EXPECT_EQ(at(0x10100f), 'k');
    EXPECT_EQ(at(0x101010), 0);
    EXPECT_EQ(at(0x105003), 0);
    EXPECT_EQ(at(0x105004), 'd');
    EXPECT_EQ(at(0x105008), 0);
    EXPECT_EQ(at(0x102000), 0x51);
}

TEST(Fill, TheInitrdIsCopiedAndItsTailIsZero) {
    Machine machine{kernel_file(base), request(), initrd()};
    const auto last = machine.frame(machine.layout.initrd.at(1));
    EXPECT_EQ(last[5000 - 4096 - 1], std::byte{'i'});
    EXPECT_EQ(last[5000 - 4096], std::byte{0});
}

TEST(Fill, EveryFrameThatHoldsSomethingIsKnown) {
    Machine machine{kernel_file(base, 0x8000000000), request(), initrd()};
    for (std::uint64_t pfn = 0; pfn < machine.layout.frames_used; ++pfn) {
        bool zero = true;
        for (const auto byte : machine.frame(Pfn{pfn}))
            zero = zero && byte == std::byte{0};
        EXPECT_TRUE(zero || holds_something(machine.layout, Pfn{pfn})) << pfn;
    }
}

TEST(HypercallPage, StubsKeepTheRegistersThatSyscallOverwrites) {
    std::array<std::byte, page_bytes> page{};
    write_hypercall_page(page);
    const auto stub = [&page](std::size_t n) {
        return std::string{reinterpret_cast<const char*>(page.data()) + n * 32, 16};
    };
    using namespace std::string_literals;
    EXPECT_EQ(stub(32), "\x51\x41\x53\xb8\x20\x00\x00\x00\x0f\x05\x41\x5b\x59\xc3\xcc\xcc"s);
    EXPECT_EQ(stub(23), "\x51\x41\x53\x50\xb8\x17\x00\x00\x00\x0f\x05\xcc\xcc\xcc\xcc\xcc"s);
    EXPECT_EQ(page[4095], std::byte{0xcc});
}

} // namespace
} // namespace bulkhead::test
