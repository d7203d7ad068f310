// Frames of machine memory: who owns each, how often it is referenced, what type it has. The one invariant behind memory
// isolation is stated here and checked by audit(): a frame is never writable by a guest and a page table (or descriptor
// table) at the same time.
#pragma once

#include "abi/types.hpp"
#include "hv/core/error.hpp"

#include <cstddef>
#include <cstdint>

namespace bulkhead::hv {

struct Domain;

// Exclusive uses of a frame. `none` and `writable` data; l1..l4 page tables whose entries were validated; descriptors.
enum class FrameType : std::uint8_t { none, writable, l1, l2, l3, l4, descriptors };

struct Frame {
    std::uint32_t references;      // every holder: the owner's allocation, each mapping, each typed use, each grant
    std::uint32_t type_references; // holders of the current type
    FrameType type;
    std::uint8_t allocated : 1;    // belongs to a domain or to the hypervisor
    std::uint8_t shared : 1;       // a page of the hypervisor lent to `owner` (shared_info, grant table); not counted as its memory
    std::uint8_t pinned : 1;       // one type reference and one reference are held by a pin
    std::uint8_t validated : 1;    // the entries of a page table were all checked and hold their references
    std::uint8_t partial : 1;      // validation (or release) was preempted after `progress` entries
    std::uint8_t releasing : 1;    // with `partial`: the direction is release
    std::uint16_t progress;
    std::uint16_t owner;           // DomainId value, or hypervisor_owner
    std::uint16_t reserved;
    std::uint32_t next;            // frame numbers of the owner's list or of the free list; 0 ends it (frame 0 is never used)
    std::uint32_t previous;
};
static_assert(sizeof(Frame) == 28 || sizeof(Frame) == 24);
inline constexpr std::uint16_t hypervisor_owner = 0xfffe;

// A doubly linked list of frames threaded through the frame table.
struct FrameList {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint64_t count = 0;
};

// All machine memory. One instance, frame_table().
class FrameTable {
  public:
    // `storage` covers frames 0..count-1 and is zeroed. Frames become available through add_free.
    void start(Frame* storage, std::uint64_t count);
    void add_free(Mfn first, std::uint64_t count);

    [[nodiscard]] std::uint64_t size() const { return count_; }
    [[nodiscard]] std::uint64_t free_frames() const { return free_.count; }
    // nullptr if `mfn` is not RAM.
    [[nodiscard]] Frame* find(Mfn mfn);
    [[nodiscard]] Mfn number(const Frame& frame) const;

    // A zeroed frame for the domain, within its quota (Domain::max_frames); one reference is held by the allocation.
    [[nodiscard]] Result<Mfn> allocate(Domain& owner);
    // Gives the allocation's reference up; the frame is freed (and scrubbed) when no other reference remains.
    [[nodiscard]] Result<> release(Mfn mfn, Domain& owner);

    // A zeroed frame for the hypervisor itself, and back. No domain's quota; callers charge one (see Domain::allocate_metadata).
    [[nodiscard]] Result<Mfn> allocate_for_hypervisor();
    void free_for_hypervisor(Mfn mfn);
    // `frames` contiguous ones, aligned to their number rounded up to a power of two. For boot-time tables.
    [[nodiscard]] Result<Mfn> allocate_contiguous(std::uint64_t frames);
    // Lends a hypervisor frame to a domain, which may map it writable; take_back fails with `busy` while it is mapped.
    void share(Mfn mfn, Domain& with);
    [[nodiscard]] Result<> take_back(Mfn mfn);

    // A reference to a frame that must belong to `owner`.
    [[nodiscard]] Result<Frame*> get(Mfn mfn, const Domain& owner);
    void put(Frame& frame);

  private:
    Frame* frames_ = nullptr;
    std::uint64_t count_ = 0;
    FrameList free_;
};

[[nodiscard]] FrameTable& frame_table();

} // namespace bulkhead::hv
