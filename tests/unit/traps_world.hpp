// A guest for tests of traps and emulation: two address spaces of sparse pages, one vCPU, and a record of
// what the code under test asked of the rest of the hypervisor. One guest exists at a time.
#pragma once

#include "hv/domain/domain.hpp"
#include "hv/trap/cpu_policy.hpp"
#include "hv/trap/trap.hpp"

#include <array>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::hv::test {

struct Page {
    bool writable = true;
    std::array<std::uint8_t, page_bytes> bytes{};
};
using Space = std::map<std::uint64_t, Page>; // by page number

struct PageTableWrite {
    std::uint64_t at, value;
    unsigned bytes;
    friend bool operator==(const PageTableWrite&, const PageTableWrite&) = default;
};

class Guest {
  public:
    static constexpr std::uint64_t kernel_code = 0xffffffff80001000,
                                   kernel_stack = 0xffffffff80010000; // top of stack
    static constexpr std::uint64_t user_code = 0x401000, user_stack = 0x7ffffffff000;
    static constexpr std::uint64_t handlers = 0xffffffff80100000; // handler of vector n at handlers + 16 n

    Guest(); // in kernel mode, at kernel_code, with all handlers and callbacks registered
    ~Guest();
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    void in_user_mode();
    void map(std::uint64_t address, bool writable = true); // in both spaces
    void unmap(std::uint64_t address);
    void code(std::initializer_list<int> bytes); // at rip
    template<class T>
    void poke(std::uint64_t address, const T& value) {
        require(access(address, const_cast<T*>(&value), sizeof value, true, true));
    }
    template<class T = std::uint64_t>
    T peek(std::uint64_t address) {
        T value{};
        require(access(address, &value, sizeof value, false, true));
        return value;
    }
    std::uint64_t word(unsigned i) { return peek(vcpu().regs.rsp + 8 * i); } // of the stack
    bool access(std::uint64_t address, void* data, std::size_t bytes, bool write, bool forced = false);

    [[nodiscard]] Vcpu& vcpu() { return *vcpu_; }
    [[nodiscard]] Registers& regs() { return vcpu_->regs; }
    [[nodiscard]] Domain& domain() { return *domain_; }
    [[nodiscard]] bool masked() const { return info.evtchn_upcall_mask != 0; }
    [[nodiscard]] std::uint64_t handler(unsigned vector) const { return handlers + 16 * vector; }
    // Whether the guest is now at the handler of `vector`, in kernel mode.
    [[nodiscard]] bool took(unsigned vector) {
        return vcpu_->processor.in_kernel && regs().rip == handler(vector);
    }

    // Whether an instruction of `length` bytes at the start of the code was finished and the guest goes on
    // behind it.
    [[nodiscard]] bool finished(std::uint64_t length) {
        return !crash && regs().rip == (vcpu_->processor.in_kernel ? kernel_code : user_code) + length;
    }

    vcpu_info_t info{};
    std::array<TrapHandler, 256> table{};
    std::optional<std::string> crash; // why the domain was crashed
    unsigned toggles = 0, blocks = 0, base_loads = 0, debug_loads = 0, ts_changes = 0;
    std::uint64_t debug_status = 0; // DR6
    bool fpu_loads = true;
    bool gs_usable = true;
    bool preempt = false;
    std::vector<std::uint64_t> flushed;
    std::vector<Mfn> roots_set;
    std::optional<Error> root_error, debt;
    std::vector<PageTableWrite> page_table_writes;
    Result<bool> page_table_answer = true;
    std::map<std::uint64_t, CpuidLeaf> cpuid; // by leaf << 32 | subleaf
    std::array<std::uint64_t, 512> descriptors{};

  private:
    static void require(bool mapped);

    std::unique_ptr<Domain> domain_;
    std::unique_ptr<Vcpu> vcpu_;
    Space spaces_[2]; // user, kernel
};

// The processor of the tests: a plain 64-bit one with AVX and many features that guests must not see.
void describe_processor(std::map<std::uint64_t, CpuidLeaf>& cpuid);

} // namespace bulkhead::hv::test
