#include "tests/fuzz/whole/calls.hpp"

#include "hv/base/machine.hpp"
#include "hv/mm/entry.hpp"
#include "hv/mm/frame.hpp"
#include "hv/mm/walk.hpp"
#include "tests/fuzz/whole/boot.hpp"
#include "tests/fuzz/whole/processor.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv::whole {

namespace {
constexpr std::uint64_t piece = 16 * 1024, slots = 16, vcpus_of_slot = 8, pieces = slots * vcpus_of_slot,
                        shared_bytes = 64 * 1024;
static_assert(page_bytes + piece * pieces + shared_bytes < arena_bytes &&
              sizeof(vcpu_guest_context_t) < shared_bytes);
} // namespace

Place::Place(const Vcpu& vcpu)
    : next_{arena + page_bytes +
            (vcpu.domain->sched.slot % slots * vcpus_of_slot + vcpu.id.value() % vcpus_of_slot) * piece},
      end_{next_ + piece} {
    std::memset(reinterpret_cast<void*>(next_), 0, piece);
}

std::uint64_t Place::room(std::uint64_t bytes) {
    if (bytes > end_ - next_)
        return arena + arena_bytes - shared_bytes; // of what all share
    const auto at = next_;
    next_ += (bytes + 7) & ~std::uint64_t{7};
    return at;
}

std::uint16_t Calls::any_domain() {
    const auto choice = input_.byte();
    if (choice < 64)
        return DOMID_SELF;
    if (choice > 240)
        return static_cast<std::uint16_t>(choice * 0x0101U);
    const Domain* found = next_domain(0);
    for (auto i = choice % 6U; i > 0 && found != nullptr; --i)
        if (const auto* after = next_domain(found->sched.slot + 1); after != nullptr)
            found = after;
    return found != nullptr ? found->id.value() : DOMID_SELF;
}

// Mostly one of the domain's first frames.
Mfn Calls::any_frame(const Domain& domain) {
    const auto choice = input_.byte();
    if (choice >= 240)
        return Mfn{choice * std::uint64_t{choice < 248 ? 7U : 0x1000001U}};
    Mfn mfn{domain.memory.frames.first};
    for (auto i = choice % 13; i > 0 && mfn != Mfn{}; --i)
        mfn = Mfn{frame_table().at(mfn).next};
    return mfn;
}

std::uint64_t Calls::any_entry(const Domain& domain) {
    constexpr std::uint64_t flags[] = {0, 5, 7, 7, 5, 0x187, 1ULL << 63 | 0x67, 0x1b};
    return any_frame(domain).value() << page_shift | input_.of(flags);
}

std::uint64_t Calls::any_index() {
    constexpr std::uint64_t places[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 256, 271, 300, 511};
    return input_.of(places);
}

std::uint64_t Calls::any_address() {
    const auto l4 = input_.below(8) == 0 ? any_index() : 0;
    const auto at = l4 << 39 | any_index() << page_shift;
    return l4 >= 256 ? at | 0xffff000000000000 : at;
}

std::uint64_t Calls::any_instant() {
    const auto choice = input_.byte();
    if (choice >= 250)
        return std::uint64_t{choice} << 56;
    const auto now = static_cast<std::uint64_t>(machine::now().since_start().count());
    return now + choice * std::uint64_t{choice < 128 ? 100U : 20'000U};
}

Call Calls::any(Vcpu& vcpu, Place& place, bool within_list) {
    using Make = Call (Calls::*)(Vcpu&, Place&);
    const std::pair<std::uint8_t, Make> kinds[] = {
        {mix_.tables, &Calls::tables},
        {mix_.memory, &Calls::memory},
        {mix_.descriptors, &Calls::descriptors},
        {mix_.grants, &Calls::grants},
        {mix_.events, &Calls::events},
        {mix_.time, &Calls::time},
        {mix_.vcpus, &Calls::vcpus},
        {within_list ? std::uint8_t{0} : mix_.lists, &Calls::list}};
    std::uint32_t sum = 0;
    for (const auto& [weight, make] : kinds)
        sum += weight;
    auto choice = input_.below(sum);
    for (const auto& [weight, make] : kinds) {
        if (choice < weight)
            return (this->*make)(vcpu, place);
        choice -= weight;
    }
    return {__HYPERVISOR_xen_version, {}};
}

Call Calls::list(Vcpu& vcpu, Place& place) {
    const auto count = 1 + input_.below(6);
    auto* const entries = place.array<multicall_entry_t>(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto each = any(vcpu, place, true);
        entries[i].op = each.number;
        entries[i].result = no_result;
        std::memcpy(entries[i].args, each.arguments.data(), sizeof entries[i].args);
    }
    const bool honest = vcpu.domain->privileged || input_.below(16) != 0;
    const auto claimed = honest ? count : input_.byte() * 0x01010101U;
    return {__HYPERVISOR_multicall, {reinterpret_cast<std::uint64_t>(entries), claimed}};
}

void Calls::raise(Vcpu& vcpu) {
    constexpr std::uint64_t vectors[] = {1, 3, 6, 7, 13, 13, 14, 14};
    constexpr std::array<std::uint8_t, 4> instructions[] = {{0x0f, 0x30},
                                                            {0x0f, 0x32},
                                                            {0x0f, 0xa2},
                                                            {0xf4},
                                                            {0xfa},
                                                            {0xfb},
                                                            {0xcd, 0x80},
                                                            {0xe4, 0x60},
                                                            {0x6c},
                                                            {0xee},
                                                            {0x9d},
                                                            {0xcb},
                                                            {0xcf},
                                                            {0x0f, 0x20, 0xc0},
                                                            {0x0f, 0x22, 0xd8},
                                                            {0x0f, 0x06},
                                                            {0x0f, 0x09},
                                                            {0x0f, 0x01, 0x3f},
                                                            {0x0f, 0x23},
                                                            {0x48, 0x89, 0x07},
                                                            {0x48, 0x0f, 0xb1},
                                                            {0x66, 0x87},
                                                            {0xf0, 0x01},
                                                            {0x8e, 0xe8}};
    auto bytes = input_.of(instructions);
    if (input_.below(4) == 0)
        bytes[input_.below(4)] = input_.byte();
    auto& regs = vcpu.regs;
    std::memcpy(reinterpret_cast<void*>(regs.rip), bytes.data(), bytes.size());
    regs.vector = input_.of(vectors);
    regs.error = (input_.byte() & 0x1fU) | 4;
    regs.rsp = stack_of_guests - input_.byte() * 8U;
    regs.rdi = any_address();
    regs.rcx = input_.byte() + (input_.below(2) == 0 ? 0xc0000080U : 0U);
    regs.rax = any_entry(*vcpu.domain);
    set_fault_address(any_address());
}

void Calls::scribble(Vcpu& vcpu) {
    const auto mfn = any_frame(*vcpu.domain);
    const auto* frame = frame_table().find(mfn);
    if (frame == nullptr || !frame->belongs_to(Owner{vcpu.domain->id}) || frame->partial() ||
        (frame->type_references() != 0 && frame->type() != FrameType::writable))
        return;
    machine::frame_as<std::uint64_t>(mfn)[any_index()] = any_entry(*vcpu.domain);
}

} // namespace bulkhead::hv::whole
