// The shape of a hypercall: a decoder struct with a number, a name, fields that `decode` fills from the
// registers, and `run`, which does the work. table.cpp lists them all; nothing else does.
#pragma once

#include "hv/base/error.hpp"
#include "hv/mm/guest_memory.hpp"

#include <array>
#include <cstdint>

namespace bulkhead::hv {

struct Vcpu;
struct Domain;

// Registers of the call in ABI order: rdi, rsi, rdx, r10, r8, r9. When `run` answers Error::restart it has
// first changed these so that the same call, made again with them, finishes the rest of the work. Those of a
// 64-bit guest are the vCPU's registers themselves, where they lie: `run` changes them for nothing else.
struct HypercallArguments {
    std::array<std::uint64_t, 6> value;
    std::uint64_t& operator[](std::size_t i) { return value[i]; }
    const std::uint64_t& operator[](std::size_t i) const { return value[i]; }
};

// What `run` may touch: the caller and its registers.
struct HypercallContext {
    Vcpu& caller;
    Domain& domain; // the caller's
    HypercallArguments& arguments;
};

using HypercallResult = Result<std::int64_t>; // the value goes to rax

// The same in two registers: what is for rax, a value or a negated error. If the call is to be made again
// with its arguments, the value is not for anyone.
struct HypercallAnswer {
    std::int64_t value;
    bool again;
    operator HypercallResult() const { return again ? HypercallResult{fail(Error::restart)} : value; }
};

// Example:
//   struct StackSwitch {
//       static constexpr unsigned number = __HYPERVISOR_stack_switch;
//       static constexpr const char* name = "stack_switch";
//       std::uint64_t ss, sp;
//       static StackSwitch decode(const HypercallArguments& a) { return {a[0], a[1]}; }
//       HypercallResult run(HypercallContext& context) const;
//   };
//
// `run` is called without a lock and takes what it needs, for one entry of a list at a time
// (docs/decisions/0007-locks.md). What belongs to the calling vCPU alone needs none.
template<class H>
concept Hypercall = requires(const HypercallArguments& a, HypercallContext& c) {
    { H::number } -> std::convertible_to<unsigned>;
    { H::name } -> std::convertible_to<const char*>;
    { H::decode(a).run(c) } -> std::same_as<HypercallResult>;
};

} // namespace bulkhead::hv
