// The two structures a domain's first vCPU starts with: its start_info page and its register context.
#pragma once

#include "abi/pae.hpp"
#include "image/layout.hpp"

#include <xen/xen.h>

namespace bulkhead::image {

// What the builder knows once the domain's frames and channels exist.
struct StartFacts {
    std::uint64_t shared_info_mfn = 0;
    std::uint32_t flags = 0; // SIF_*; SIF_MOD_START_PFN is added where the layout needs it
    Mfn store_mfn{};         // rings: see Layout::store and Layout::console
    Port store_port{};
    Mfn console_mfn{};
    Port console_port{};
    std::string_view command_line{};
};

// Error::long_command_line if it does not fit.
[[nodiscard]] std::expected<start_info_t, Error> make_start_info(const Layout& layout,
                                                                 const StartFacts& facts);

// What a 32-bit guest finds. The domain's frames and the shared page are within 32 bits of frame number and
// of address.
[[nodiscard]] pae_abi::StartInfo pae_form(const start_info_t& info);

// Fills a zeroed context in place: the structure is over 5 kB, too much for a small stack.
void fill_context(vcpu_guest_context_t& context, const Kernel& kernel, const Layout& layout, Mfn root);

} // namespace bulkhead::image
