#include "image/layout.hpp"
#include "image_maker.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <xen/elfnote.h>

namespace bulkhead::test {
namespace {

using image::Error;
using image::Frames;
using image::Layout;
using image::plan;
using image::Request;

constexpr std::uint64_t base = 0xffffffff80000000;
constexpr std::uint64_t pages_64m = 64 << 20 >> page_shift;

std::vector<std::byte> kernel_file(std::uint64_t virt_base, std::optional<std::uint64_t> p2m = {},
                                   bool mod_start_pfn = false) {
    ImageMaker maker;
    maker.load(0x100000, "code", 0x3000);
    maker.note_number(XEN_ELFNOTE_VIRT_BASE, virt_base);
    maker.note_number(XEN_ELFNOTE_ENTRY, virt_base + 0x100000);
    if (p2m)
        maker.note_number(XEN_ELFNOTE_INIT_P2M, *p2m);
    if (mod_start_pfn)
        maker.note_number(XEN_ELFNOTE_MOD_START_PFN, 1);
    return maker.make();
}

std::expected<Layout, image::LayoutError> plan_for(const std::vector<std::byte>& file,
                                                   const Request& request) {
    const auto kernel = image::read_kernel(file);
    EXPECT_TRUE(kernel.has_value());
    return plan(*kernel, request);
}

TEST(Layout, OrderIsTheDocumentedOne) {
    const auto layout = plan_for(
        kernel_file(base), {.pages = pages_64m, .initrd_bytes = 5000, .rings = true, .initrd_mapped = false});
    ASSERT_TRUE(layout.has_value());
    std::uint64_t next = 0x103;
    const auto follows = [&next](const Frames& frames, std::uint64_t count) {
        EXPECT_EQ(frames.first.value(), next);
        EXPECT_EQ(frames.count, count);
        next += count;
    };
    follows(layout->initrd, 2);
    follows(layout->p2m, pages_64m * 8 / page_bytes);
    follows(layout->start_info, 1);
    follows(layout->store, 1);
    follows(layout->console, 1);
    follows(layout->tables.frames, 1 + 1 + 1 + 2);
    follows(layout->stack, 1);
    EXPECT_EQ(layout->p2m_address.value(), base + 0x105000);
    EXPECT_EQ(layout->mapped_pages, 1024U);
    EXPECT_EQ(layout->root(), layout->tables.frames.first);
    EXPECT_EQ(layout->frames_used, 1024U);
}

TEST(Layout, Domain0HasNoRingPages) {
    const auto layout = plan_for(kernel_file(base), {.pages = pages_64m});
    ASSERT_TRUE(layout.has_value());
    EXPECT_EQ(layout->store.count, 0U);
    EXPECT_EQ(layout->console.count, 0U);
    EXPECT_EQ(layout->initrd.count, 0U);
    EXPECT_EQ(layout->tables.frames.first.value(), layout->start_info.first.value() + 1);
}

// Whatever the sizes: the region ends aligned, with the spare, and its tables are exactly enough.
TEST(Layout, RegionIsAlignedWithSpareAndEnoughTables) {
    for (const std::uint64_t virt_base :
         {std::uint64_t{0}, base, std::uint64_t{0x1000}, std::uint64_t{0x3ff000}, std::uint64_t{0x7fffe00000},
          base + 0x3fe00000})
        for (std::uint64_t initrd = 1; initrd < 40 << 20; initrd = initrd * 3 + 777) {
            const auto layout =
                plan_for(kernel_file(virt_base),
                         {.pages = pages_64m, .initrd_bytes = initrd, .rings = true, .initrd_mapped = false});
            ASSERT_TRUE(layout.has_value());
            const auto begin = layout->base.value();
            const auto end = begin + layout->mapped_pages * page_bytes;
            EXPECT_EQ(end % (4 << 20), 0U);
            EXPECT_GE(end - layout->stack_top().value(), 512U << 10);
            EXPECT_LT(end - layout->stack_top().value(), (512U << 10) + (4U << 20));
            const auto& count = layout->tables.count;
            EXPECT_EQ(count[0], ((end - 1) >> 21) - (begin >> 21) + 1);
            EXPECT_EQ(count[1], ((end - 1) >> 30) - (begin >> 30) + 1);
            EXPECT_EQ(count[2], ((end - 1) >> 39) - (begin >> 39) + 1);
            EXPECT_EQ(layout->tables.frames.count, 1 + count[0] + count[1] + count[2]);
        }
}

TEST(Layout, LinuxWishesPutTheListAndInitrdApart) {
    const auto layout =
        plan_for(kernel_file(base, 0x8000000000, true),
                 {.pages = pages_64m, .initrd_bytes = 5000, .rings = true, .initrd_mapped = false});
    ASSERT_TRUE(layout.has_value());
    EXPECT_TRUE(layout->p2m_apart);
    EXPECT_FALSE(layout->initrd_mapped);
    EXPECT_EQ(layout->start_info.first.value(), 0x103U);
    EXPECT_EQ(layout->initrd.first.value(), layout->mapped_pages);
    EXPECT_EQ(layout->p2m.first.value(), layout->initrd.end().value());
    EXPECT_EQ(layout->p2m_address.value(), 0x8000000000U);
    EXPECT_EQ(layout->p2m_tables.frames.first, layout->p2m.end());
    EXPECT_EQ(layout->p2m_tables.frames.count, 3U);
    EXPECT_EQ(layout->frames_used, layout->p2m_tables.frames.end().value());
    EXPECT_EQ(layout->table_count(), layout->tables.frames.count + 3);
    EXPECT_EQ(layout->table(layout->tables.frames.count), layout->p2m_tables.frames.first);
    EXPECT_TRUE(layout->is_table(layout->p2m_tables.frames.first));
    EXPECT_FALSE(layout->is_table(layout->p2m.first));
}

TEST(Layout, AnInitrdCanBeMappedAgainstTheNote) {
    const auto layout =
        plan_for(kernel_file(base, {}, true),
                 {.pages = pages_64m, .initrd_bytes = 5000, .rings = false, .initrd_mapped = true});
    ASSERT_TRUE(layout.has_value());
    EXPECT_TRUE(layout->initrd_mapped);
    EXPECT_EQ(layout->initrd.first.value(), 0x103U);
}

TEST(Layout, AListAddressInTheKernelsSlotOrTheHypervisorsIsRefused) {
    for (const std::uint64_t bad :
         {base + 0x40000000, std::uint64_t{0xffff800000000000}, std::uint64_t{0x7ffffffff000}}) {
        const auto layout = plan_for(kernel_file(base, bad), {.pages = pages_64m});
        ASSERT_FALSE(layout.has_value()) << std::hex << bad;
        EXPECT_EQ(layout.error().error, Error::bad_p2m_address);
    }
}

TEST(Layout, TooLittleMemorySaysHowMuchIsNeeded) {
    const auto file = kernel_file(base);
    const auto refused = plan_for(file, {.pages = 300});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().error, Error::too_little_memory);
    const auto needed = refused.error().needed_pages;
    EXPECT_EQ(needed, 0x103U + 1 + 1 + 4 + 1 + 128); // kernel, list, start_info, tables, stack, spare
    EXPECT_FALSE(plan_for(file, {.pages = needed - 1}).has_value());
    EXPECT_TRUE(plan_for(file, {.pages = needed}).has_value());
    EXPECT_EQ(plan_for(file, {.pages = 0}).error().error, Error::too_little_memory);
    EXPECT_EQ(
        plan_for(file,
                 {.pages = 1024, .initrd_bytes = ~std::uint64_t{0}, .rings = false, .initrd_mapped = false})
            .error()
            .error,
        Error::too_little_memory);
}

TEST(Layout, TheRegionOfASmallDomainEndsWithItsMemory) {
    const auto file = kernel_file(base);
    for (const std::uint64_t pages : {500, 1000, 1023, 1024, 1025}) {
        const auto layout = plan_for(file, {.pages = pages});
        ASSERT_TRUE(layout.has_value());
        EXPECT_EQ(layout->mapped_pages, std::min<std::uint64_t>(pages, 1024));
        EXPECT_EQ(layout->frames_used, layout->mapped_pages);
    }
}

// What lies behind the region has its frames whatever the region would like.
TEST(Layout, TheRegionOfASmallDomainLeavesRoomBehindIt) {
    const auto file = kernel_file(base, 0x8000000000, true);
    const auto layout = plan_for(
        file, {.pages = 1024, .initrd_bytes = 100 * page_bytes, .rings = true, .initrd_mapped = false});
    ASSERT_TRUE(layout.has_value());
    EXPECT_EQ(layout->initrd.first.value(), layout->mapped_pages);
    EXPECT_EQ(layout->frames_used, 1024U);
    EXPECT_EQ(layout->p2m_tables.frames.end().value(), 1024U);
}

TEST(Layout, SizesBeyondAllBoundsAreRefused) {
    const auto file = kernel_file(base);
    EXPECT_EQ(plan_for(file, {.pages = ~std::uint64_t{0}}).error().error, Error::too_much_memory);
    // 1 TiB of memory is possible, but its list does not fit behind a kernel in the last 2 GiB.
    EXPECT_EQ(plan_for(file, {.pages = image::max_domain_bytes / page_bytes}).error().error,
              Error::bad_addresses);
}

TEST(Layout, GrubFitsIn64MiB) {
    const auto file = read_file(grub_path);
    ASSERT_FALSE(file.empty()) << "package grub-xen-host is missing";
    const auto layout =
        plan_for(file, {.pages = pages_64m, .initrd_bytes = 0, .rings = true, .initrd_mapped = false});
    ASSERT_TRUE(layout.has_value());
    EXPECT_EQ(layout->kernel.first.value(), 0U);
    EXPECT_EQ(layout->kernel.count, (0x41e1f0U + 0x1f5bd8U + 4095U) / 4096U);
}

} // namespace
} // namespace bulkhead::test
