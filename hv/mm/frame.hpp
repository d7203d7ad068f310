// Frames of machine memory: the owner, the reference count and the type of each. Memory isolation rests on
// one invariant, stated here and checked by audit(): a frame is never writable by a guest and a page table
// (or descriptor table) at the same time.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"
#include "hv/base/lock.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/zones.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bulkhead::hv {

struct Domain;
struct DomainMemory;

// Exclusive uses of a frame. `none` and `writable` data; l1..l4 page tables whose entries were validated;
// descriptors. Those of 32-bit guests are types of their own (hv/mm/pae.hpp): an entry there may be the
// kernel's alone, and a descriptor may be of ring 1.
enum class FrameType : std::uint8_t {
    none,
    writable,
    l1,
    l2,
    l3,
    l4,
    pae_l1,
    pae_l2,
    pae_l3,     // the root: four entries
    pae_l2_top, // an L2 of the last GiB, which the hole is in
    descriptors,
    pae_descriptors
};

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

// The counts and the type of a frame in one word, so that they change together and without a lock. References
// stand at the top and a count that is wrong can't spoil the type.
class FrameCounts {
  public:
    static constexpr std::uint64_t type_mask = 15, partial_bit = 16, validated_bit = 32, one_typed_use = 64,
                                   one_reference = std::uint64_t{1} << 32,
                                   typed_use_mask = one_reference - one_typed_use;
    constexpr explicit FrameCounts(std::uint64_t word) : word_{word} {}
    [[nodiscard]] constexpr std::uint64_t word() const { return word_; }
    [[nodiscard]] constexpr std::uint32_t references() const {
        return static_cast<std::uint32_t>(word_ >> 32);
    }
    [[nodiscard]] constexpr std::uint32_t type_references() const {
        return static_cast<std::uint32_t>((word_ & typed_use_mask) / one_typed_use);
    }
    [[nodiscard]] constexpr FrameType type() const { return static_cast<FrameType>(word_ & type_mask); }
    [[nodiscard]] constexpr bool partial() const { return (word_ & partial_bit) != 0; }
    [[nodiscard]] constexpr bool validated() const { return (word_ & validated_bit) != 0; }
    [[nodiscard]] constexpr FrameCounts with_type(FrameType type) const {
        return FrameCounts{(word_ & ~type_mask) | static_cast<std::uint64_t>(type)};
    }

  private:
    std::uint64_t word_;
};
// One more is refused. There are never more typed uses than references, so that neither count overflows.
inline constexpr std::uint32_t max_references = (1U << 26) - 16;
// Linear entries that may name one table.
inline constexpr std::int16_t max_linear_links = 32'000;

// What protects which part is said in docs/decisions/0007-locks.md. In short: references of data may be taken
// and dropped without a lock, a table only with the lock of its owner's page tables.
//
// A frame has its type while it has type references or is partial; otherwise the type only tells the last
// one. A table is `validated` exactly while it has type references. A `partial` table has none. Its first
// `progress` entries hold their references, and one reference of its own keeps the table alive. The next call
// that needs the table finishes or undoes the work.
struct alignas(8) Frame {
    // References: the owner's allocation, each mapping, each typed use, each grant. Type references: the
    // holders of the current type.
    std::atomic<std::uint64_t> counts;
    // Frame numbers of the owner's list or of the free list; 0 ends it (frame 0 is never used). Under the
    // lock of free frames.
    std::uint32_t next;
    std::uint32_t previous;
    // The latest reading of the TLB clock when a holder of the type, or the owner, let it go.
    std::atomic<std::uint32_t> last_use;
    std::atomic<Owner> owner;
    // 0: no RAM of the frame table. 1: of no zone. From 2 on: of a zone. Never changes after boot.
    std::uint8_t place;
    // A page of the hypervisor lent to `owner` (shared_info, grant table); not counted as its memory.
    std::atomic<bool> shared;
    // From here on under the lock of the owner's page tables.
    std::uint16_t progress;
    std::uint8_t failure;       // of a partial one: the Error that validation ended in; only undoing is left
    std::uint8_t held : 1;      // the allocation's own reference was not given up yet
    std::uint8_t pinned : 1;    // one type reference and one reference are held by a pin
    std::uint8_t active : 1;    // its validation or release is on the stack right now
    std::uint8_t lingering : 1; // a dead owner's frame that others still refer to
    // Of a table: so many of its entries name other tables of its level, or, negative, so many entries of
    // others name this one (hv/mm/linear.hpp). Never both.
    std::int16_t linear_links;

    [[nodiscard]] static constexpr std::uint8_t place_of(std::uint32_t zone) {
        return static_cast<std::uint8_t>(zone + 2);
    }
    [[nodiscard]] bool is_zoned() const { return place > 1; }
    [[nodiscard]] std::uint32_t zone() const { return place - 2U; } // if it is of one
    [[nodiscard]] FrameCounts now() const { return FrameCounts{counts.load(std::memory_order_acquire)}; }
    [[nodiscard]] std::uint32_t references() const { return now().references(); }
    [[nodiscard]] std::uint32_t type_references() const { return now().type_references(); }
    [[nodiscard]] FrameType type() const { return now().type(); }
    [[nodiscard]] bool partial() const { return now().partial(); } // validation or release was interrupted
    [[nodiscard]] bool validated() const { return now().validated(); } // all entries hold their references
    // A frame that its owner gave up gets another one as soon as the last reference goes, whatever locks are
    // held. So this is asked with a reference, or last: with the lock of the page tables of `whom` held,
    // frames leave `whom` but do not come to it.
    [[nodiscard]] bool belongs_to(Owner whom) const { return owner.load(std::memory_order_acquire) == whom; }

    // A reference that stays only if the frame belongs to `whom`. Fails with `invalid` if it does not, with
    // `busy` at the limit. A frame that is being freed has no references and gets none.
    [[nodiscard]] Result<> take_reference(Owner whom);
    // Takes the only reference away, for its holder. False, and nothing changes, if there are others.
    [[nodiscard]] bool end_only_reference();
    // Notes that a translation of the frame may have been in use until now.
    void note_use();
};
static_assert(sizeof(Frame) == 32);

// The frame went to another owner while a reference was taken: gives that back and answers `invalid`.
[[nodiscard]] Result<> undo_reference(Frame& frame, std::uint64_t what);

// The longest run that a guest may ask for, 2^3 frames, beside an extent of order 9. Wiping a run can't be
// interrupted, and takes about 2 us a frame.
inline constexpr unsigned max_run_order = 3;
[[nodiscard]] constexpr bool is_order(unsigned order) {
    return order <= max_run_order || order == extent_order;
}

// All machine memory. One instance, frame_table().
class FrameTable {
  public:
    // `storage` covers frames 0..count-1 and is zeroed. Frames become available through add_free.
    void start(Frame* storage, std::uint64_t count);
    void add_free(Mfn first, std::uint64_t count);

    void keep_reserve(std::uint64_t frames) { reserve_ = frames; }

    [[nodiscard]] std::uint64_t size() const { return count_; }
    // Cuts the memory of domains, so many of the free frames, into zones; the rest stays the hypervisor's. At
    // boot: it takes as long as memory is large. Fails with no_memory if a zone would have none.
    [[nodiscard]] Result<> cut(ZoneKind kind, std::uint32_t zones, std::uint64_t frames);
    [[nodiscard]] const Zones& zones() const { return zones_; }

    [[nodiscard]] std::uint64_t free_frames() const { return free_.count + zones_.free(); }
    [[nodiscard]] const FrameList& free_list() const { return free_; } // those of no zone
    // Of the free frames, those that are set aside for domains; never more than there are.
    [[nodiscard]] std::uint64_t promised_frames() const { return promised_; }
    // nullptr if `mfn` is not RAM of the frame table.
    [[nodiscard]] Frame* find(Mfn mfn) {
        if (mfn.value() >= count_ || frames_[mfn.value()].place == 0) [[unlikely]]
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
    // The domain is to take so many frames of this zone, promised to it or granted.
    void add_due(DomainMemory& memory, std::uint32_t zone, std::uint32_t frames);
    // All that is due to it is what it was promised.
    void end_grants(DomainMemory& memory);

    // A zeroed frame for the domain, which calls it `pfn`, within its quota (DomainMemory::max_frames); one
    // reference is held by the allocation. It cannot fail for want of memory while the domain's promise
    // lasts. It comes from a zone in which frames are due to the domain, or from any if none is left there.
    // This, allocate_run(), release() and exchange() need the lock of the domain's page tables.
    [[nodiscard]] Result<Mfn> allocate(Domain& owner, std::uint64_t pfn = machine::m2p_invalid);
    // 2^order contiguous frames, aligned to their number, each as by allocate(), called `pfn` and what
    // follows it. Looks at a bounded part of memory, so that it may answer no_memory although a run exists
    // elsewhere; order 0 always finds one. In a machine with zones it comes whole from one of those in which
    // frames are due. An extent of order 9 is to be had from zones that are parts of memory. It is wiped
    // between calls that end with restart; the domain has the wiped part already.
    [[nodiscard]] Result<Mfn> allocate_run(Domain& owner, unsigned order,
                                           std::uint64_t pfn = machine::m2p_invalid);
    // Gives the allocation's reference up; the frame is freed when no other reference remains. Fails with
    // `invalid` if the frame is not `owner`'s or was given up before.
    [[nodiscard]] Result<> release(Mfn mfn, const Domain& owner);

    // The rest of an extent that is on its way to the domain is free again.
    void end_extent(DomainMemory& memory);

    // Another zeroed frame of the same zone for one of the domain's to which only the allocation refers;
    // costs the pool nothing. Fails and changes nothing: with no_memory if no frame at all is free there,
    // with `invalid` if another reference was taken meanwhile.
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

    // The domain goes on mapping a frame of a domain that is gone, or no longer does: counted against its
    // limit.
    void keep_of_dead(DomainMemory& memory);
    void let_go_of_dead(DomainMemory& memory);

    // The frame if it is `owner`'s and its allocation's reference was not given up, else nullptr. It stays so
    // while the lock of the owner's page tables is held.
    [[nodiscard]] Frame* find_held(Mfn mfn, const Domain& owner);
    // What the guest calls a frame of `owner`'s. Fails with `invalid` if it is not.
    [[nodiscard]] Result<> set_pfn(Mfn mfn, std::uint64_t pfn, const Domain& owner);

    // A reference to a frame that must belong to `owner`.
    [[nodiscard]] Result<Frame*> get(Mfn mfn, const Domain& owner);
    // Gives a reference back. The last one frees the frame: don't touch it afterwards.
    void put(Frame& frame) { drop(frame, FrameCounts::one_reference); }
    // The same together with a typed use, of which another one remains or which stands for data.
    void put_typed_use(Frame& frame) {
        frame.note_use();
        drop(frame, FrameCounts::one_reference + FrameCounts::one_typed_use);
    }

    // Frees the first frame of the owner's list if only its allocation refers to it. False if not.
    [[nodiscard]] bool free_first(DomainMemory& memory);
    // The first frame of the list, with a reference for the caller; nullptr if the list is empty. Answers
    // restart if other pCPUs are about to free all that it has.
    [[nodiscard]] Result<Frame*> get_first(const FrameList& list);
    // The frame goes to the end of its owner's list.
    void move_to_end(Frame& frame, FrameList& list);

  private:
    void drop(Frame& frame, std::uint64_t what) {
        if (FrameCounts{frame.counts.fetch_sub(what, std::memory_order_acq_rel)}.references() == 1)
            [[unlikely]]
            free(frame);
    }
    void free(Frame& frame);
    void add_to_free(Frame& frame);
    [[nodiscard]] Frame& own_frame(Mfn mfn);
    void end_own(Frame& frame);
    // Whether the domain may have so many more, by its quota and by what is free for it.
    [[nodiscard]] bool may_have(const DomainMemory& memory, std::uint64_t frames) const;
    // Its promise pays for them as far as it lasts.
    void pay(DomainMemory& memory, std::uint64_t frames);
    // Free frames that are promised to no domain and not of the reserve.
    [[nodiscard]] std::uint64_t in_pool() const;
    // Two halves of an allocation: the frame becomes the hypervisor's under the lock, and is cleared and
    // handed out without it.
    void take_from_free(Frame& frame);
    void become_own(Frame& frame);
    // The next frame for the domain, or for the hypervisor; there must be one.
    [[nodiscard]] Frame& next_free();
    [[nodiscard]] Frame& next_free(const DomainMemory& memory);
    // A frame comes to a domain's list, or leaves it.
    void join(DomainMemory& memory, Frame& frame);
    void part(DomainMemory& memory, Frame& frame);
    static void spend(DomainMemory& memory, std::uint32_t zone, std::uint32_t frames);
    [[nodiscard]] Result<Mfn> allocate_extent(Domain& owner, std::uint64_t pfn);
    [[nodiscard]] Result<> begin_extent(DomainMemory& memory, std::uint64_t pfn);
    [[nodiscard]] Result<> undo_extent(Domain& owner);
    void make_frame(Domain& owner);
    [[nodiscard]] std::uint64_t all_due(const DomainMemory& memory) const;
    [[nodiscard]] std::uint64_t find_any_run(std::uint64_t frames);
    [[nodiscard]] std::uint64_t find_due_run(const DomainMemory& memory, std::uint64_t frames);
    void clear(Frame& frame);
    void give_to(Frame& frame, Domain& owner, std::uint64_t pfn);
    [[nodiscard]] bool is_of_extent(const Frame& frame) const;
    [[nodiscard]] bool claim_run(std::uint64_t start, std::uint64_t frames, DomainMemory* memory);
    void append(FrameList& list, Frame& frame);
    void remove(FrameList& list, Frame& frame);
    [[nodiscard]] static bool is_free(const Frame& frame) {
        return frame.place != 0 && frame.belongs_to(Owner::nobody());
    }
    // What a search for a run looks at.
    struct Search {
        std::uint64_t from, budget; // frames
        std::uint8_t place = 0;     // of the frames; 0: any
    };
    [[nodiscard]] std::uint64_t find_run(std::uint64_t frames, std::uint64_t alignment,
                                         const Search& search) const;

    Lock<Rank::free_frames> free_lock_; // the free list and those of domains
    Frame* frames_ = nullptr;
    std::uint64_t count_ = 0;
    FrameList free_; // those of no zone
    Zones zones_;
    std::uint64_t promised_ = 0;
    std::uint64_t reserve_ = 0; // of the free frames, as many are for the hypervisor's own work
    std::atomic<std::uint64_t> run_cursor_ = 0; // where the next search for a run starts
};

inline Result<> Frame::take_reference(Owner whom) {
    if (!belongs_to(whom)) [[unlikely]]
        return fail(Error::invalid);
    auto seen = counts.load(std::memory_order_relaxed);
    do {
        const auto references = FrameCounts{seen}.references();
        if (references == 0 || references >= max_references) [[unlikely]]
            return fail(references == 0 ? Error::invalid : Error::busy);
    } while (!counts.compare_exchange_weak(seen, seen + FrameCounts::one_reference, std::memory_order_acq_rel,
                                           std::memory_order_relaxed));
    if (belongs_to(whom)) [[likely]]
        return {};
    return undo_reference(*this, FrameCounts::one_reference);
}

extern FrameTable the_frame_table;
[[nodiscard]] inline FrameTable& frame_table() { return the_frame_table; }

} // namespace bulkhead::hv
