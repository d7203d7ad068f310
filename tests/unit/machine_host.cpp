#include "tests/unit/machine_host.hpp"

#include "hv/mm/tlb.hpp"
#include "hv/mm/walk.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <thread>

namespace bulkhead::hv {

namespace host {

thread_local PcpuId this_thread_is{0};

namespace {
Machine* current = nullptr;

Machine& the_machine() {
    if (current == nullptr)
        throw std::logic_error{"no host::Machine exists"};
    return *current;
}
} // namespace

// One more, by any of the threads. Answers how many it makes.
std::uint64_t count(std::uint64_t& events) { return std::atomic_ref{events}.fetch_add(1) + 1; }

struct Access {
    static std::byte* ram(Machine& m) { return m.ram_.get(); }
    static std::uint64_t count(const Machine& m) { return m.count_; }
    static std::uint64_t& m2p(Machine& m, Mfn mfn) { return m.m2p_.at(mfn.value()); }
};

Machine::Machine(std::uint64_t frames)
    : count_{frames},
      ram_{static_cast<std::byte*>(::operator new(frames* page_bytes, std::align_val_t{page_bytes}))},
      frames_(frames), m2p_(frames, machine::m2p_invalid) {
    if (current != nullptr)
        throw std::logic_error{"a second host::Machine"};
    current = this;
    std::memset(ram_.get(), 0xa5, frames * page_bytes); // RAM is never clean
    frame_table().start(frames_.data(), frames);
    frame_table().add_free(Mfn{1}, frames - 1);
}

Machine::~Machine() {
    frame_table().start(nullptr, 0);
    current = nullptr;
}

std::uint64_t* Machine::words(Mfn mfn) { return machine::frame_as<std::uint64_t>(mfn); }

namespace {

// The bytes behind a guest address up to the end of its page; nullptr if there are none to be had.
std::byte* page_behind(Machine& m, std::uint64_t address, bool write) {
    if (m.guest_memory == GuestMemory::pointers)
        return reinterpret_cast<std::byte*>(address);
    const auto found = walk(m.root, GuestAddress{address});
    if (!found.ok())
        return nullptr;
    for (const auto e : found.entries)
        if ((e & entry::user) == 0 || (write && !entry::is_writable(e)))
            return nullptr;
    return machine::frame_as<std::byte>(entry::frame(found.leaf())) + address % page_bytes;
}

bool copy(std::uint64_t address, std::byte* other, std::size_t bytes, bool write) {
    auto& m = the_machine();
    if (m.copies_allowed == 0)
        return false;
    --m.copies_allowed;
    while (bytes > 0) {
        if (address < page_bytes || !is_guest_address(GuestAddress{address}))
            return false;
        auto* guest = page_behind(m, address, write);
        if (guest == nullptr)
            return false;
        const auto part = std::min<std::size_t>(bytes, page_bytes - address % page_bytes);
        std::memcpy(write ? guest : other, write ? other : guest, part);
        address += part, other += part, bytes -= part;
    }
    return true;
}

} // namespace
} // namespace host

namespace machine {

using host::Access;
using host::the_machine;

RealTime now() { return RealTime{the_machine().time}; }
std::uint64_t tsc() { return static_cast<std::uint64_t>(the_machine().time); }
Nanos length_of(std::uint64_t ticks) { return Nanos{static_cast<std::int64_t>(ticks)}; }
RealTime time_of(std::uint64_t value) { return RealTime{static_cast<std::int64_t>(value)}; }
TscScale tsc_scale() { return {.hz = 1'000'000'000, .origin = 0, .mul = 0x80000000, .shift = 1}; }
PcpuId this_pcpu() { return host::this_thread_is; }

void* frame_data(Mfn mfn) {
    if (mfn.value() >= Access::count(the_machine()))
        throw std::out_of_range{"frame_data of a frame that is no RAM"};
    return Access::ram(the_machine()) + mfn.value() * page_bytes;
}
void clear_frame(Mfn mfn) { std::memset(frame_data(mfn), 0, page_bytes); }
Mfn frame_of(const void* address) {
    return Mfn{
        static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - Access::ram(the_machine())) /
        page_bytes};
}

bool copy_from_guest(void* to, GuestAddress from, std::size_t bytes) {
    return host::copy(from.value(), static_cast<std::byte*>(to), bytes, false);
}
bool copy_to_guest(GuestAddress to, const void* from, std::size_t bytes) {
    return host::copy(to.value(), const_cast<std::byte*>(static_cast<const std::byte*>(from)), bytes, true);
}

void check_copies() {} // they walk the tables, as a processor in user mode would

bool compare_exchange_entry(std::uint64_t* entry, std::uint64_t expected, std::uint64_t desired) {
    return std::atomic_ref{*entry}.compare_exchange_strong(expected, desired);
}

void wait_a_little() {
    if (the_machine().pcpus == 1)
        throw std::logic_error{"one thread waits for itself"};
    std::this_thread::yield();
}
void wait_at_rest() { wait_a_little(); }

void flush_tlb() {
    const auto begun = tlb::begin_flush();
    host::count(the_machine().flushes);
    tlb::end_flush(begun);
    if (the_machine().on_flush)
        the_machine().on_flush();
}
void flush_tlb_page(GuestAddress) { host::count(the_machine().page_flushes); }
std::uint64_t pcpus_using(DomainId) { return 1; }
std::uint64_t pcpus_using_any() { return 1; }
void flush_tlb_on(std::uint64_t) { flush_tlb(); }
void flush_tlb_page_on(std::uint64_t, GuestAddress at) { flush_tlb_page(at); }
void load_root(Mfn l4) {
    tlb::end_flush(tlb::begin_flush());
    the_machine().root = l4;
    if (the_machine().on_flush)
        the_machine().on_flush();
}

void install_hypervisor_slots(std::uint64_t* l4) {
    for (unsigned i = entry::hypervisor_first; i <= entry::hypervisor_last; ++i)
        l4[i] = host::Machine::hypervisor_entry(i - entry::hypervisor_first);
}

void set_m2p(Mfn mfn, std::uint64_t pfn) { Access::m2p(the_machine(), mfn) = pfn; }
std::uint64_t get_m2p(Mfn mfn) { return Access::m2p(the_machine(), mfn); }

void map_descriptors(std::uint32_t slot, bool ldt, const Mfn* frames, std::uint32_t count,
                     std::uint32_t before) {
    auto& mapped = the_machine().descriptors[{slot, ldt}];
    if (mapped.size() > before)
        throw host::Panic{"descriptor pages would stay mapped"};
    mapped.assign(frames, frames + count);
}

void put_console(char byte) { the_machine().console += byte; }
std::optional<char> get_console() {
    auto& typed = the_machine().typed;
    if (typed.empty())
        return std::nullopt;
    const char byte = typed.front();
    typed.erase(0, 1);
    return byte;
}
void panic(const char* message) { throw host::Panic{message}; }
void out_of_memory(const char* message) { throw host::Panic{message}; }

bool should_preempt() {
    auto& m = the_machine();
    const auto question = host::count(m.preempt_questions);
    if (m.on_question)
        m.on_question();
    return m.preempt_every != 0 && question % m.preempt_every == 0;
}

} // namespace machine
} // namespace bulkhead::hv
