// A domain's memory: the frames that are its own, and the quota of what the hypervisor allocates on its
// behalf.
#pragma once

#include "hv/base/lock.hpp"
#include "hv/mm/frame.hpp"

#include <atomic>

namespace bulkhead::hv {

// The L4 slots at which a domain ever had linear entries (hv/mm/linear.hpp), for readers without a lock.
class LinearSlots {
  public:
    [[nodiscard]] bool any() const { return any_.load(std::memory_order_acquire); }
    [[nodiscard]] bool has(unsigned slot) const {
        return (words_[slot / 64].load(std::memory_order_acquire) >> slot % 64 & 1) != 0;
    }
    void add(unsigned slot) {
        words_[slot / 64].fetch_or(std::uint64_t{1} << slot % 64, std::memory_order_seq_cst);
        any_.store(true, std::memory_order_seq_cst);
    }

  private:
    std::atomic<bool> any_;
    std::atomic<std::uint64_t> words_[8];
};

struct DomainMemory {
    // The domain's page tables and descriptor tables, the types of its frames, what its vCPUs hold of them,
    // and how many frames it has.
    Lock<Rank::tables> tables;
    FrameList frames;         // under the lock of free frames
    std::uint64_t max_frames; // 0: the domain is being taken apart
    std::uint64_t frames_peak;
    std::uint64_t
        frames_of_dead; // of domains that are gone, which stay because this one maps them; count as its own
    std::uint64_t frames_to_return;   // owned when its destruction began
    std::uint32_t vcpus_relinquished; // as many, from 0 on, have given up their page tables for ever
    // The promises, under the lock of free frames.
    std::uint64_t promised; // frames set aside for it that it has not taken yet
    std::uint64_t metadata; // frames that the hypervisor allocated for the domain
    std::uint64_t max_metadata;
    std::uint64_t metadata_guarantee; // as many are set aside for it
    ZoneUse zones;                    // likewise, of a machine that has zones
    Extent extent;                    // likewise; changed with the lock of its page tables
    LinearSlots linear_slots;
    Mfn unfinished_table; // a page table whose release was interrupted: the domain's debt, see settle()
};

// The locks of the page tables of two domains, in the order of their ids; of one, if both are the same.
class TablesOfTwo {
  public:
    TablesOfTwo(DomainMemory& one, DomainId id_of_one, DomainMemory& other, DomainId id_of_other)
        : first_{id_of_one.value() <= id_of_other.value() ? one : other},
          second_{&one == &other                             ? nullptr
                  : id_of_one.value() <= id_of_other.value() ? &other
                                                             : &one} {
        first_.tables.lock();
        if (second_ != nullptr)
            second_->tables.lock_second();
    }
    ~TablesOfTwo() {
        if (second_ != nullptr)
            second_->tables.unlock();
        first_.tables.unlock();
    }
    TablesOfTwo(const TablesOfTwo&) = delete;
    TablesOfTwo& operator=(const TablesOfTwo&) = delete;

  private:
    DomainMemory& first_;
    DomainMemory* second_;
};

// Frames that are set aside for the domain now: for its own memory, and for its metadata.
[[nodiscard]] inline std::uint64_t metadata_set_aside(const DomainMemory& memory) {
    return memory.metadata < memory.metadata_guarantee ? memory.metadata_guarantee - memory.metadata : 0;
}
[[nodiscard]] inline std::uint64_t set_aside(const DomainMemory& memory) {
    return memory.promised + metadata_set_aside(memory);
}

} // namespace bulkhead::hv
