// The machine of hv/base/machine.hpp as ordinary memory of a test program: some frames of RAM, a clock that
// the test sets, preemption where the test wants it. Counts what a test may want to know, and turns a panic
// into an exception.
#pragma once

#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace bulkhead::hv::host {

struct Panic : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// How copies from and to "the guest" find its memory. Addresses of the hypervisor's range and the first page
// are refused either way.
enum class GuestMemory {
    pointers, // a guest address is a pointer of the test program
    tables,   // the page tables under the loaded root decide, as a processor in user mode would
};

// A thread that plays a pCPU other than 0 says so first.
extern thread_local PcpuId this_thread_is;

// One exists at a time. Starts the frame table anew, with frames 1..frames-1 free.
class Machine {
  public:
    explicit Machine(std::uint64_t frames);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    [[nodiscard]] std::uint64_t* words(Mfn mfn); // a frame's 512 words

    unsigned pcpus = 1; // threads that call the hypervisor at the same time
    GuestMemory guest_memory = GuestMemory::pointers;
    std::uint64_t preempt_every = 0;      // each n-th question is answered with yes; 0: never
    std::uint64_t copies_allowed = ~0ULL; // later ones fail, as if the page were missing
    std::int64_t time = 0;                // ns
    Mfn root{};                           // loaded last
    std::uint64_t flushes = 0, page_flushes = 0, preempt_questions = 0;
    std::function<void()> on_question; // whether to stop a long operation
    std::function<void()> on_flush;    // after each full flush and each load of a root
    std::string console;
    std::string typed; // waits to be read from the console
    std::map<std::pair<std::uint32_t, bool>, std::vector<Mfn>>
        descriptors; // by slot and whether it's the LDT

    // What install_hypervisor_slots writes into slot 256 + i.
    [[nodiscard]] static std::uint64_t hypervisor_entry(unsigned i) {
        return 0x7f00000000063 + (std::uint64_t{i} << 12);
    }

  private:
    friend struct Access;
    struct Release {
        void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{page_bytes}); }
    };
    std::uint64_t count_;
    std::unique_ptr<std::byte, Release> ram_;
    std::vector<Frame> frames_;
    std::vector<std::uint64_t> m2p_;
};

} // namespace bulkhead::hv::host
