// See start_info.hpp.
#include "image/start_info.hpp"

#include <algorithm>

namespace bulkhead::image {
namespace {

constexpr std::string_view wide_magic = "xen-3.0-x86_64", pae_magic = "xen-3.0-x86_32p";
static_assert(wide_magic.size() < sizeof(start_info_t::magic) &&
              pae_magic.size() < sizeof(start_info_t::magic));

// The most bytes of command line, with room for the terminating zero.
constexpr std::size_t max_command_line = MAX_GUEST_CMDLINE - 1;

constexpr std::uint64_t interrupts_on = 1 << 9; // rflags.IF

void set_initrd(start_info_t& info, const Layout& layout) {
    if (layout.initrd_bytes == 0)
        return;
    info.mod_len = layout.initrd_bytes;
    if (layout.initrd_mapped) {
        info.mod_start = layout.address(layout.initrd.first).value();
        return;
    }
    info.mod_start = layout.initrd.first.value();
    info.flags |= SIF_MOD_START_PFN;
}

void set_p2m(start_info_t& info, const Layout& layout) {
    info.mfn_list = layout.p2m_address.value();
    if (!layout.p2m_apart)
        return;
    info.first_p2m_pfn = layout.p2m.first.value();
    info.nr_p2m_frames = layout.p2m.count + layout.p2m_tables.frames.count;
}

} // namespace

std::expected<start_info_t, Error> make_start_info(const Layout& layout, const StartFacts& facts) {
    if (facts.command_line.size() > max_command_line)
        return std::unexpected(Error::long_command_line);
    start_info_t info{};
    const auto magic = layout.pae ? pae_magic : wide_magic;
    std::copy(magic.begin(), magic.end(), info.magic);
    info.nr_pages = layout.pages;
    info.shared_info = facts.shared_info_mfn * page_bytes;
    info.flags = facts.flags;
    if (layout.store.count != 0) {
        info.store_mfn = facts.store_mfn.value();
        info.store_evtchn = facts.store_port.value();
        info.console.domU.mfn = facts.console_mfn.value();
        info.console.domU.evtchn = facts.console_port.value();
    }
    info.pt_base = layout.address(layout.root()).value();
    info.nr_pt_frames = layout.tables.frames.count;
    set_p2m(info, layout);
    set_initrd(info, layout);
    for (std::size_t i = 0; i < facts.command_line.size(); ++i)
        info.cmd_line[i] = static_cast<std::int8_t>(facts.command_line[i]);
    return info;
}

pae_abi::StartInfo pae_form(const start_info_t& from) {
    const auto word = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
    pae_abi::StartInfo to{};
    std::copy(std::begin(from.magic), std::end(from.magic), to.magic);
    to.nr_pages = word(from.nr_pages);
    to.shared_info = word(from.shared_info);
    to.flags = from.flags;
    to.store_mfn = word(from.store_mfn);
    to.store_evtchn = from.store_evtchn;
    to.console_frame = word(from.console.domU.mfn);
    to.console_port = from.console.domU.evtchn;
    to.pt_base = word(from.pt_base);
    to.nr_pt_frames = word(from.nr_pt_frames);
    to.mfn_list = word(from.mfn_list);
    to.mod_start = word(from.mod_start);
    to.mod_len = word(from.mod_len);
    std::copy(std::begin(from.cmd_line), std::end(from.cmd_line), to.cmd_line);
    return to;
}

void fill_context(vcpu_guest_context_t& context, const Kernel& kernel, const Layout& layout, Mfn root) {
    auto& registers = context.user_regs;
    registers.rip = kernel.entry.value();
    registers.rsp = layout.stack_top().value();
    registers.rsi = layout.address(layout.start_info.first).value();
    registers.rflags = interrupts_on;
    // Of a 32-bit kernel those of ring 1, as xen/arch-x86/xen-x86_32.h has them.
    constexpr std::uint16_t ring_1_code = 0xe019, ring_1_data = 0xe021;
    registers.cs = kernel.pae ? ring_1_code : FLAT_KERNEL_CS;
    registers.ss = kernel.pae ? ring_1_data : FLAT_KERNEL_SS;
    registers.ds = registers.es = registers.fs = registers.gs = kernel.pae ? ring_1_data : FLAT_KERNEL_DS;
    context.kernel_ss = registers.ss;
    context.kernel_sp = registers.rsp;
    context.ctrlreg[3] = xen_pfn_to_cr3(root.value());
    context.flags = VGCF_in_kernel | VGCF_online;
}

} // namespace bulkhead::image
