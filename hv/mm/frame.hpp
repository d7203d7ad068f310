// Frames of machine memory: the owner, the reference count and the type of each. Memory isolation rests on
// one invariant, stated here and checked by audit(): a frame is never writable by a guest and a page table
// (or descriptor table) at the same time.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"
#include "hv/base/lock.hpp"

#include <cstddef>
#include <cstdint>

namespace bulkhead::hv {

struct Domain;
struct DomainMemory;

// Exclusive uses of a frame. `none` and `writable` data; l1..l4 page tables whose entries were validated;
// descriptors.
enum class FrameType : std::uint8_t { none, writable, l1, l2, l3, l4, descriptors };

// The owner of a frame: a domain, the hypervisor, or none (a free frame, or one that is not RAM).
class Owner {
  public:
    // Of memory that is still to be filled.
    // cppcheck-suppress uninitMemberVar
    Owner() = default;
    constexpr explicit Owner(DomainId domain) : value_{domain.value()} {}
    [[nodiscard]] static constexpr Owner hypervisor() { return Owner{hypervisor_value}; }
    [[nodiscard]] static constexpr Owner nobody() { return Owner{nobody_value}; }

    [[nodiscard]] constexpr bool is_hypervisor() const { return value_ == hypervisor_value; }
    [[nodiscard]] constexpr bool is_nobody() const { return value_ == nobody_value; }
    [[nodiscard]] constexpr bool is_domain() const { return value_ < hypervisor_value; }
    // A number that no domain has unless is_domain().
    [[nodiscard]] constexpr DomainId domain() const { return DomainId{value_}; }
    friend constexpr bool operator==(Owner, Owner) = default;

  private:
    static constexpr std::uint16_t hypervisor_value = 0xfffe, nobody_value = 0xffff; // no domains' numbers
    constexpr explicit Owner(std::uint16_t value) : value_{value} {}

    std::uint16_t value_;
};

// Serialised by the world lock, but for the list of free frames, which has a lock of its own: the hypervisor
// takes frames for itself with the run lock held, too.
//
// A frame has its type while `type_references` or `partial` is non-zero; otherwise `type` only tells the last
// one. A table is `validated` exactly while it has type references. A `partial` table has none. Its first
// `progress` entries hold their references, and one reference of its own keeps the table alive. The next call
// that needs the table finishes or undoes the work.
struct alignas(8) Frame {
    // Every holder: the owner's allocation, each mapping, each typed use, each grant.
    std::uint32_t references;
    std::uint32_t type_references; // holders of the current type
    FrameType type;
    std::uint8_t usable : 1; // RAM handed to the frame table; never changes after boot
    std::uint8_t held : 1;   // the allocation's own reference was not given up yet
    // A page of the hypervisor lent to `owner` (shared_info, grant table); not counted as its memory.
    std::uint8_t shared : 1;
    std::uint8_t pinned : 1;    // one type reference and one reference are held by a pin
    std::uint8_t validated : 1; // the entries of the table were all checked and hold their references
    std::uint8_t partial : 1;   // validation or release was interrupted after `progress` entries
    std::uint8_t active : 1;    // its validation or release is on the stack right now
    std::uint8_t lingering : 1; // a dead owner's frame that others still refer to
    std::uint16_t progress;
    Owner owner;
    std::uint8_t failure; // with `partial`: the Error that validation ended in; only undoing is left
    std::uint8_t reserved;
    // Frame numbers of the owner's list or of the free list; 0 ends it (frame 0 is never used).
    std::uint32_t next;
    std::uint32_t previous;
    // Reading of the TLB clock when the last holder of the type, or the owner, let it go.
    std::uint32_t last_use;
};
static_assert(sizeof(Frame) == 32);
inline constexpr std::uint32_t max_references = 0xfffffff0; // one more is refused

// The longest run that a guest may ask for, 2^3 frames. Wiping a run can't be interrupted, and takes about 2
// us a frame.
inline constexpr unsigned max_run_order = 3;

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

    void keep_reserve(std::uint64_t frames) { reserve_ = frames; }

    [[nodiscard]] std::uint64_t size() const { return count_; }
    [[nodiscard]] std::uint64_t free_frames() const { return free_.count; }
    [[nodiscard]] const FrameList& free_list() const { return free_; }
    // Of the free frames, those that are set aside for domains; never more than there are.
    [[nodiscard]] std::uint64_t promised_frames() const { return promised_; }
    // nullptr if `mfn` is not RAM of the frame table.
    [[nodiscard]] Frame* find(Mfn mfn) {
        if (mfn.value() >= count_ || !frames_[mfn.value()].usable) [[unlikely]]
            return nullptr;
        return &frames_[mfn.value()];
    }
    // A frame known to be RAM, because something refers to it.
    [[nodiscard]] Frame& at(Mfn mfn) { return frames_[mfn.value()]; }
    [[nodiscard]] Mfn number(const Frame& frame) const {
        return Mfn{static_cast<std::uint64_t>(&frame - frames_)};
    }

    // Sets frames aside for a new domain: as many for its own memory and as many for its metadata. Fails with
    // no_memory if fewer are free above what others were promised and the reserve.
    [[nodiscard]] Result<> promise(DomainMemory& memory, std::uint64_t frames, std::uint64_t metadata);
    // What the domain has not taken of its promise goes back to the pool.
    void end_promise(DomainMemory& memory);

    // A zeroed frame for the domain, within its quota (DomainMemory::max_frames); one reference is held by
    // the allocation. It cannot fail for want of memory while the domain's promise lasts.
    [[nodiscard]] Result<Mfn> allocate(Domain& owner);
    // 2^order contiguous frames, aligned to their number, each as by allocate(). Looks at a bounded part of
    // memory, so that it may answer no_memory although a run exists elsewhere; order 0 always finds one.
    [[nodiscard]] Result<Mfn> allocate_run(Domain& owner, unsigned order);
    // Gives the allocation's reference up; the frame is freed when no other reference remains. Fails with
    // `invalid` if the frame is not `owner`'s or was given up before.
    [[nodiscard]] Result<> release(Mfn mfn, const Domain& owner);

    // Another zeroed frame for one of the domain's to which only the allocation refers; costs the pool
    // nothing. Fails with no_memory, and changes nothing, if no frame at all is free.
    [[nodiscard]] Result<Mfn> exchange(Mfn mfn, Domain& owner);

    // A zeroed frame of the hypervisor's for a domain, within the domain's limit and promise, and back.
    [[nodiscard]] Result<Mfn> allocate_metadata(DomainMemory& memory);
    void free_metadata(Mfn mfn, DomainMemory& memory);

    // A zeroed frame for the hypervisor's own work, which may use the reserve, and back.
    [[nodiscard]] Result<Mfn> allocate_for_hypervisor();
    void free_for_hypervisor(Mfn mfn);
    // `frames` contiguous ones, zeroed, aligned to their number rounded up to a power of two. For boot-time
    // tables: the search is as long as memory is large.
    [[nodiscard]] Result<Mfn> allocate_contiguous(std::uint64_t frames);
    // Lends a hypervisor frame to a domain, which may map it writable but never use it as a table; take_back
    // fails with `busy` while it is mapped.
    void share(Mfn mfn, const Domain& with);
    [[nodiscard]] Result<> take_back(Mfn mfn);

    // A reference to a frame that must belong to `owner`.
    [[nodiscard]] Result<Frame*> get(Mfn mfn, const Domain& owner);
    // Gives a reference back. The last one frees the frame: don't touch it afterwards.
    void put(Frame& frame) {
        if (--frame.references == 0) [[unlikely]]
            free(frame);
    }

    // The frame goes to the end of its owner's list.
    void move_to_end(Frame& frame, FrameList& list);

  private:
    void free(Frame& frame);
    void add_to_free(Frame& frame);
    [[nodiscard]] Frame& own_frame(Mfn mfn);
    // Whether the domain may have so many more, by its quota and by what is free for it.
    [[nodiscard]] bool may_have(const DomainMemory& memory, std::uint64_t frames) const;
    // Its promise pays for them as far as it lasts.
    void pay(DomainMemory& memory, std::uint64_t frames);
    // Free frames that are promised to no domain and not of the reserve.
    [[nodiscard]] std::uint64_t in_pool() const;
    void take_from_free(Frame& frame);
    void give_to(Frame& frame, Domain& owner);
    void append(FrameList& list, Frame& frame);
    void remove(FrameList& list, Frame& frame);
    [[nodiscard]] static bool is_free(const Frame& frame) { return frame.usable && frame.owner.is_nobody(); }
    [[nodiscard]] std::uint64_t find_run(std::uint64_t frames, std::uint64_t alignment, std::uint64_t from,
                                         std::uint64_t budget) const;

    Lock free_lock_; // taken last
    Frame* frames_ = nullptr;
    std::uint64_t count_ = 0;
    FrameList free_;
    std::uint64_t promised_ = 0;
    std::uint64_t reserve_ = 0;    // of the free frames, as many are for the hypervisor's own work
    std::uint64_t run_cursor_ = 0; // where the next search for a run starts
};

extern FrameTable the_frame_table;
[[nodiscard]] inline FrameTable& frame_table() { return the_frame_table; }

} // namespace bulkhead::hv
