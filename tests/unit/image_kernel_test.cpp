#include "image/kernel.hpp"
#include "image_maker.hpp"

#include <gtest/gtest.h>
#include <xen/elfnote.h>

namespace bulkhead::test {
namespace {

using image::Error;
using image::read_kernel;

constexpr std::uint64_t base = 0xffffffff80000000;

ImageMaker good() {
    ImageMaker maker;
    maker.load(0x100000, "code", 0x3000);
    maker.note_number(XEN_ELFNOTE_VIRT_BASE, base);
    maker.note_number(XEN_ELFNOTE_ENTRY, base + 0x100000);
    return maker;
}

Error refusal(ImageMaker& maker) {
    const auto file = maker.make();
    const auto kernel = read_kernel(file);
    EXPECT_FALSE(kernel.has_value());
    return kernel ? Error{} : kernel.error();
}

TEST(Kernel, AGoodOneIsPlaced) {
    auto maker = good();
    maker.note_number(XEN_ELFNOTE_HYPERCALL_PAGE, base + 0x101000);
    const auto file = maker.make();
    const auto kernel = read_kernel(file);
    ASSERT_TRUE(kernel.has_value());
    EXPECT_EQ(kernel->base.value(), base);
    EXPECT_EQ(kernel->begin, 0x100000U);
    EXPECT_EQ(kernel->end, 0x103000U);
    EXPECT_EQ(kernel->entry.value(), base + 0x100000);
    EXPECT_EQ(kernel->hypercall_page->value(), base + 0x101000);
    ASSERT_EQ(kernel->loads().size(), 1U);
    EXPECT_EQ(image::text(kernel->loads()[0].contents), "code");
}

TEST(Kernel, GrubIsAccepted) {
    const auto file = read_file(grub_path);
    ASSERT_FALSE(file.empty()) << "package grub-xen-host is missing";
    const auto kernel = read_kernel(file);
    ASSERT_TRUE(kernel.has_value()) << image::message(kernel.error());
    EXPECT_EQ(kernel->notes.guest_os, "GRUB");
    EXPECT_EQ(kernel->base.value(), 0U);
    EXPECT_EQ(kernel->entry.value(), 0U);
    EXPECT_EQ(kernel->begin, 0U);
    EXPECT_FALSE(kernel->hypercall_page.has_value());
    EXPECT_EQ(kernel->loads().size(), 2U);
}

TEST(Kernel, ReadsThe32BitGrub) {
    const auto file = read_file("/usr/lib/grub-xen/grub-i386-xen.bin");
    ASSERT_FALSE(file.empty()) << "package grub-xen-host is missing";
    const auto kernel = read_kernel(file);
    ASSERT_TRUE(kernel.has_value()) << message(kernel.error());
    EXPECT_TRUE(kernel->pae);
    EXPECT_EQ(kernel->notes.guest_os, "GRUB");
    EXPECT_EQ(kernel->base.value(), 0U);
    EXPECT_EQ(kernel->loads().size(), 2U);
}

TEST(Kernel, WithoutNotesItIsNoXenKernel) {
    ImageMaker maker;
    maker.load(0, "code", 4);
    EXPECT_EQ(refusal(maker), Error::not_xen);
}

TEST(Kernel, PvhOnlyIsNamed) {
    ImageMaker maker;
    maker.load(0, "code", 4);
    maker.note_number(XEN_ELFNOTE_PHYS32_ENTRY, 0);
    EXPECT_EQ(refusal(maker), Error::pvh_only);
}

TEST(Kernel, WishesThatCannotBeGrantedAreRefused) {
    auto maker = good();
    maker.note_text(XEN_ELFNOTE_LOADER, "special");
    EXPECT_EQ(refusal(maker), Error::other_loader);
    maker = good();
    maker.note_text(XEN_ELFNOTE_XEN_VERSION, "xen-2.0");
    EXPECT_EQ(refusal(maker), Error::other_version);
    maker = good();
    maker.note_text(XEN_ELFNOTE_FEATURES, "!supervisor_mode_kernel");
    EXPECT_EQ(refusal(maker), Error::impossible_feature);
}

TEST(Kernel, SegmentsThatCannotBeAreRefused) {
    auto maker = good();
    maker.load(0x200000, "longer", 2);
    EXPECT_EQ(refusal(maker), Error::bad_segment);
    maker = good();
    maker.load(0x200000, "x", ~std::uint64_t{0});
    EXPECT_EQ(refusal(maker), Error::bad_segment);
    maker = good();
    maker.load(~std::uint64_t{0} - 1, "x", 1);
    EXPECT_EQ(refusal(maker), Error::bad_segment);
    maker = good();
    maker.note_number(XEN_ELFNOTE_PADDR_OFFSET, 0x100001);
    EXPECT_EQ(refusal(maker), Error::bad_segment);
    maker = good();
    for (std::size_t i = 0; i < image::max_segments; ++i)
        maker.load(0x200000, "x", 1);
    EXPECT_EQ(refusal(maker), Error::too_many_segments);
    maker = {};
    maker.note_number(XEN_ELFNOTE_ENTRY, 0);
    EXPECT_EQ(refusal(maker), Error::no_segments);
}

TEST(Kernel, AddressesThatCannotBeAreRefused) {
    for (const std::uint64_t bad :
         {std::uint64_t{0xffff800000000000}, std::uint64_t{0xffff87fffff00000}, std::uint64_t{0x7ffffff00000},
          std::uint64_t{0x800000000000}, base + 1, std::uint64_t{0xfffffffffff00000}}) {
        auto maker = good();
        maker.note_number(XEN_ELFNOTE_VIRT_BASE, bad);
        EXPECT_EQ(refusal(maker), Error::bad_addresses) << std::hex << bad;
    }
    auto maker = good();
    maker.note_number(XEN_ELFNOTE_ENTRY, base + 0x103000);
    EXPECT_EQ(refusal(maker), Error::bad_entry);
    maker = good();
    maker.note_number(XEN_ELFNOTE_ENTRY, 0);
    EXPECT_EQ(refusal(maker), Error::bad_entry);
    maker = good();
    maker.note_number(XEN_ELFNOTE_HYPERCALL_PAGE, base + 0x101008);
    EXPECT_EQ(refusal(maker), Error::bad_hypercall_page);
    maker = good();
    maker.note_number(XEN_ELFNOTE_HYPERCALL_PAGE, base + 0x103000);
    EXPECT_EQ(refusal(maker), Error::bad_hypercall_page);
    maker = good();
    maker.note_number(XEN_ELFNOTE_INIT_P2M, 0x8000000008);
    EXPECT_EQ(refusal(maker), Error::bad_p2m_address);
}

TEST(Kernel, OlderTextGivesAPageNumberAndAnOffset) {
    ImageMaker maker;
    maker.load(base + 0x1000, "code", 0x2000);
    maker.section("__xen_guest",
                  "VIRT_BASE=0xffffffff80000000,VIRT_ENTRY=0xffffffff80001000,HYPERCALL_PAGE=2");
    const auto file = maker.make();
    const auto kernel = read_kernel(file);
    ASSERT_TRUE(kernel.has_value()) << image::message(kernel.error());
    EXPECT_EQ(kernel->begin, 0x1000U);
    EXPECT_EQ(kernel->hypercall_page->value(), base + 0x2000);
}

TEST(Kernel, EveryErrorHasItsMessage) {
    for (std::size_t i = 0; i < image::messages.size(); ++i) {
        EXPECT_FALSE(image::messages[i].empty());
        for (std::size_t j = 0; j < i; ++j)
            EXPECT_NE(image::messages[i], image::messages[j]);
    }
}

} // namespace
} // namespace bulkhead::test
