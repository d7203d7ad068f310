#include "image/start_info.hpp"
#include "image_maker.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <xen/elfnote.h>

namespace bulkhead::test {
namespace {

using namespace image;

constexpr std::uint64_t base = 0xffffffff80000000;

std::vector<std::byte> kernel_file(bool like_linux) {
    ImageMaker maker;
    maker.load(0, "code", 0x3000);
    maker.note_number(XEN_ELFNOTE_VIRT_BASE, base);
    maker.note_number(XEN_ELFNOTE_ENTRY, base + 0x1000);
    if (like_linux) {
        maker.note_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
        maker.note_number(XEN_ELFNOTE_MOD_START_PFN, 1);
    }
    return maker.make();
}

constexpr Request request{.pages = 16384, .initrd_bytes = 5000, .rings = true, .initrd_mapped = false};

TEST(StartInfo, SaysWhatTheLayoutAndTheBuilderKnow) {
    const auto file = kernel_file(false);
    const auto kernel = *read_kernel(file);
    const auto layout = *plan(kernel, request);
    const auto info = make_start_info(layout, {.shared_info_mfn = 77,
                                               .flags = SIF_INITDOMAIN,
                                               .store_mfn = Mfn{5},
                                               .store_port = Port{1},
                                               .console_mfn = Mfn{6},
                                               .console_port = Port{2},
                                               .command_line = "a=b"});
    ASSERT_TRUE(info.has_value());
    EXPECT_STREQ(info->magic, "xen-3.0-x86_64");
    EXPECT_EQ(info->nr_pages, 16384U);
    EXPECT_EQ(info->shared_info, 77U * 4096);
    EXPECT_EQ(info->flags, unsigned{SIF_INITDOMAIN});
    EXPECT_EQ(info->store_mfn, 5U);
    EXPECT_EQ(info->store_evtchn, 1U);
    EXPECT_EQ(info->console.domU.mfn, 6U);
    EXPECT_EQ(info->console.domU.evtchn, 2U);
    EXPECT_EQ(info->pt_base, layout.address(layout.root()).value());
    EXPECT_EQ(info->nr_pt_frames, layout.tables.frames.count);
    EXPECT_EQ(info->mfn_list, layout.address(layout.p2m.first).value());
    EXPECT_EQ(info->mod_start, base + 0x3000);
    EXPECT_EQ(info->mod_len, 5000U);
    EXPECT_EQ(info->first_p2m_pfn, 0U);
    EXPECT_STREQ(reinterpret_cast<const char*>(info->cmd_line), "a=b");
}

TEST(StartInfo, LinuxWishesAreAnswered) {
    const auto file = kernel_file(true);
    const auto kernel = *read_kernel(file);
    const auto layout = *plan(kernel, request);
    const auto info = make_start_info(layout, {.command_line = ""});
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->flags, unsigned{SIF_MOD_START_PFN});
    EXPECT_EQ(info->mod_start, layout.initrd.first.value());
    EXPECT_EQ(info->mfn_list, 0x8000000000U);
    EXPECT_EQ(info->first_p2m_pfn, layout.p2m.first.value());
    EXPECT_EQ(info->nr_p2m_frames, 32U + 3U);
}

TEST(StartInfo, ALongCommandLineIsRefused) {
    const auto file = kernel_file(false);
    const auto layout = *plan(*read_kernel(file), request);
    const std::string longest(1023, 'x');
    EXPECT_TRUE(make_start_info(layout, {.command_line = longest}).has_value());
    EXPECT_EQ(make_start_info(layout, {.command_line = longest + 'x'}).error(), Error::long_command_line);
}

TEST(Context, StartsTheKernelWithItsStartInfo) {
    const auto file = kernel_file(false);
    const auto kernel = *read_kernel(file);
    const auto layout = *plan(kernel, request);
    const auto context = std::make_unique<vcpu_guest_context_t>();
    fill_context(*context, kernel, layout, Mfn{0x123});
    EXPECT_EQ(context->user_regs.rip, base + 0x1000);
    EXPECT_EQ(context->user_regs.rsp, layout.stack_top().value());
    EXPECT_EQ(context->user_regs.rsi, layout.address(layout.start_info.first).value());
    EXPECT_EQ(context->user_regs.cs, FLAT_KERNEL_CS);
    EXPECT_EQ(context->user_regs.ss, FLAT_KERNEL_SS);
    EXPECT_EQ(context->kernel_sp, context->user_regs.rsp);
    EXPECT_EQ(xen_cr3_to_pfn(context->ctrlreg[3]), 0x123U);
    EXPECT_EQ(context->flags, unsigned{VGCF_in_kernel | VGCF_online});
}

} // namespace
} // namespace bulkhead::test
