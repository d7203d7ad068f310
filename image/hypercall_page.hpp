// The code a guest calls to make hypercall n: 32 bytes at offset n * 32 of its hypercall page. Written by
// the guest's builder, and again by the hypervisor when a guest asks for a page through its hypercall
// MSR.
#pragma once

#include "abi/types.hpp"

#include <array>
#include <span>

namespace bulkhead::image {

inline constexpr std::size_t hypercall_stub_bytes = 32;
inline constexpr std::size_t hypercall_iret =
    23; // __HYPERVISOR_iret: does not return, and hands over a frame

namespace detail {
inline constexpr std::byte push_rcx{0x51}, pop_rcx{0x59}, push_rax{0x50}, mov_eax{0xb8}, ret{0xc3},
    int3{0xcc};

// Writes bytes one after the other into one stub.
class Assembler {
  public:
    explicit Assembler(std::span<std::byte> stub) : stub_{stub} {}
    template<class... B>
    void emit(B... bytes) {
        ((stub_[used_++] = std::byte{bytes}), ...);
    }

  private:
    std::span<std::byte> stub_;
    std::size_t used_ = 0;
};
} // namespace detail

// `syscall` overwrites rcx and r11, so a stub keeps them on the stack: the caller loses only rax.
inline void write_hypercall_stub(std::span<std::byte, hypercall_stub_bytes> stub, std::size_t number) {
    using namespace detail;
    constexpr std::byte rex_b{0x41};
    const auto n = static_cast<std::uint32_t>(number);
    const auto immediate = [n](unsigned shift) { return static_cast<std::byte>(n >> shift); };
    for (auto& byte : stub)
        byte = int3;
    Assembler code{stub};
    code.emit(push_rcx, rex_b, std::byte{0x53}); // push rcx; push r11
    if (number == hypercall_iret)
        code.emit(push_rax);
    code.emit(mov_eax, immediate(0), immediate(8), immediate(16), immediate(24));
    code.emit(std::byte{0x0f}, std::byte{0x05}); // syscall
    if (number != hypercall_iret)
        code.emit(rex_b, std::byte{0x5b}, pop_rcx, ret); // pop r11; pop rcx; ret
}

// Of a 32-bit kernel. INT changes no register but eax, the result.
inline void write_pae_hypercall_stub(std::span<std::byte, hypercall_stub_bytes> stub, std::size_t number) {
    using namespace detail;
    const auto n = static_cast<std::uint32_t>(number);
    const auto immediate = [n](unsigned shift) { return static_cast<std::byte>(n >> shift); };
    for (auto& byte : stub)
        byte = int3;
    Assembler code{stub};
    if (number == hypercall_iret)
        code.emit(push_rax); // push eax
    code.emit(mov_eax, immediate(0), immediate(8), immediate(16), immediate(24));
    code.emit(std::byte{0xcd}, std::byte{0x82}); // int 0x82
    if (number != hypercall_iret)
        code.emit(ret);
}

inline void write_pae_hypercall_page(std::span<std::byte, page_bytes> page) {
    for (std::size_t n = 0; n < page_bytes / hypercall_stub_bytes; ++n)
        write_pae_hypercall_stub(page.subspan(n * hypercall_stub_bytes).first<hypercall_stub_bytes>(), n);
}

inline void write_hypercall_page(std::span<std::byte, page_bytes> page) {
    for (std::size_t n = 0; n < page_bytes / hypercall_stub_bytes; ++n)
        write_hypercall_stub(page.subspan(n * hypercall_stub_bytes).first<hypercall_stub_bytes>(), n);
}

} // namespace bulkhead::image
