// Instructions of a modelled processor (tests/fuzz/whole/processor.cpp): those that have to do with
// translations reach the model, all others do nothing.
#pragma once

#include <cstdint>

namespace bulkhead::hv::cpu {

namespace msr {
inline constexpr std::uint32_t star = 0, lstar = 0, cstar = 0, sfmask = 0, sysenter_cs = 0, sysenter_esp = 0,
                               sysenter_eip = 0;
}
namespace cr4 {
inline constexpr std::uint64_t pge = 1 << 7;
}

[[nodiscard]] std::uint64_t read_cr3();
void write_cr3(std::uint64_t value);
[[nodiscard]] std::uint64_t read_cr4();
void write_cr4(std::uint64_t value);
void invlpg(std::uint64_t address);
[[nodiscard]] std::uint64_t read_cr2();

struct TablePointer {
    std::uint16_t limit;
    std::uint64_t base;
};
inline void lgdt(const TablePointer&) {}
inline void lidt(const TablePointer&) {}
inline void lldt(std::uint16_t) {}
inline void ltr(std::uint16_t) {}
inline void wrmsr(std::uint32_t, std::uint64_t) {}
inline void clac() {}

} // namespace bulkhead::hv::cpu
