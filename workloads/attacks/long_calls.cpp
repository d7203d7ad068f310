// Repeats the calls whose length the caller chooses, as long as they get: a tree of page tables that is
// pinned and unpinned, lists of changes and of flushes, lists of extents that are too large, and calls in
// calls. It holds all event channels that it can get meanwhile. With much memory and end=crash it dies with
// much to tidy up.
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/workload.hpp"

#include <array>
#include <span>

namespace bulkhead::workload {
namespace {

constexpr Option leaf_tables{"leaf_tables", "1", "64", "full tables in the tree that is pinned"};
constexpr Option options_[] = {leaf_tables};

constexpr std::size_t entries = page_bytes / sizeof(std::uint64_t);
constexpr std::size_t list_pages = 16;
constexpr unsigned many_extents = 1'024, calls_in_a_call = 4;
constexpr std::array orders{0U, 3U, 9U, 31U, 63U};
// Three levels in 64 bits. A root of 32 bits has four entries, and so an L2 is as high as the tree gets
// there.
constexpr bool has_root = !guest::is_narrow;

std::uint64_t* words(guest::Page* page) { return reinterpret_cast<std::uint64_t*>(page->bytes); }

template<class T>
std::span<T> list_of(guest::Page* pages, std::size_t count) {
    return {reinterpret_cast<T*>(pages->bytes), count * sizeof(guest::Page) / sizeof(T)};
}

void expect(const guest::Status& done, std::string_view what) {
    if (!done)
        guest::panic("{}: {}", what, done.error());
}

class Attack {
  public:
    Attack() {
        build_tree();
        std::uint64_t ports = 0;
        while (guest::events::allocate_unbound(DomainId{0}))
            ++ports;
        guest::print("long_calls: {} tables, {} ports\n", tables_, ports);
        const auto slot = guest::find_slot(guest::hypercall::address(window_));
        for (::mmu_update& one : changes_)
            one = {.ptr = slot->machine_address() | MMU_NORMAL_PT_UPDATE,
                   .val = guest::pte::make(guest::mfn_of(data_), guest::pte::read_write)};
        for (std::size_t i = 0; i < flushes_.size(); ++i) {
            flushes_[i].cmd = i % 2 == 0 ? MMUEXT_TLB_FLUSH_ALL : MMUEXT_INVLPG_ALL;
            flushes_[i].arg1.linear_addr = guest::hypercall::address(window_);
        }
    }

    void pin() const {
        constexpr unsigned level = has_root ? MMUEXT_PIN_L3_TABLE : MMUEXT_PIN_L2_TABLE;
        expect(guest::hypercall::mmuext(level, tree_.value()), "a tree of tables is refused");
        expect(guest::hypercall::mmuext(MMUEXT_UNPIN_TABLE, tree_.value()), "a tree stays pinned");
    }
    void change() const { static_cast<void>(guest::hypercall::mmu_update(changes_)); }
    void flush() const { static_cast<void>(guest::hypercall::mmuext_op(flushes_)); }
    // Extents of each order, more than it may have, and what it got goes back.
    void reserve() {
        for (const unsigned order : orders) {
            for (std::size_t i = 0; i < extents_.size(); ++i)
                extents_[i] = i;
            xen_memory_reservation call{};
            call.extent_start.p = extents_.data();
            call.nr_extents = extents_.size();
            call.extent_order = order;
            call.domid = DOMID_SELF;
            const auto got = guest::hypercall::memory_op(XENMEM_increase_reservation, &call);
            call.nr_extents = order > 3 ? extents_.size() : static_cast<xen_ulong_t>(got.value_or(0));
            static_cast<void>(guest::hypercall::memory_op(XENMEM_decrease_reservation, &call));
        }
    }
    // Calls in a call, each with the whole list of changes.
    void nest() const {
        std::array<multicall_entry, calls_in_a_call> calls{};
        for (multicall_entry& call : calls) {
            call.op = __HYPERVISOR_mmu_update;
            call.args[0] = guest::hypercall::address(changes_.data());
            call.args[1] = changes_.size();
            call.args[3] = DOMID_SELF;
        }
        static_cast<void>(guest::hypercall::raw(__HYPERVISOR_multicall,
                                                guest::hypercall::address(calls.data()), calls.size()));
    }

  private:
    static void protect(const guest::Page* page) {
        expect(guest::protect(page, guest::pte::read_only), "a page stays writable");
    }
    void build_tree() {
        const std::size_t most = has_root ? entries * entries : entries;
        const std::size_t leaves = std::min<std::size_t>(leaf_tables.number(), most);
        const std::size_t uppers = (leaves + entries - 1) / entries;
        guest::Page* const leaf = guest::allocate_pages(leaves);
        guest::Page* const upper = guest::allocate_pages(uppers + 1);
        const auto mapped = guest::pte::make(guest::mfn_of(data_), guest::pte::read_only);
        for (std::size_t i = 0; i < leaves; ++i) {
            std::fill_n(words(leaf + i), entries, mapped);
            words(upper + 1 + i / entries)[i % entries] =
                guest::pte::make(guest::mfn_of(leaf + i), guest::pte::table);
            protect(leaf + i);
        }
        for (std::size_t i = 0; i < uppers; ++i) {
            words(upper)[i] = guest::pte::make(guest::mfn_of(upper + 1 + i), guest::pte::table);
            protect(upper + 1 + i);
        }
        protect(upper);
        tree_ = guest::mfn_of(has_root ? upper : upper + 1);
        tables_ = leaves + uppers + (has_root ? 1 : 0);
    }

    guest::Page* data_ = guest::allocate_pages();
    guest::Page* window_ = guest::reserve_window(1);
    std::span<::mmu_update> changes_ = list_of<::mmu_update>(guest::allocate_pages(list_pages), list_pages);
    std::span<mmuext_op_t> flushes_ = list_of<mmuext_op_t>(guest::allocate_pages(list_pages), list_pages);
    std::array<xen_pfn_t, many_extents> extents_{};
    Mfn tree_{};
    std::size_t tables_ = 0;
};

void run() {
    static Attack attack;
    std::uint64_t rounds = 0;
    while (!over()) {
        attack.pin();
        attack.change();
        attack.flush();
        attack.reserve();
        attack.nest();
        guest::mark(guest::Mark::operations, ++rounds);
    }
    guest::mark(guest::Mark::finished, rounds);
    guest::print("RESULT name=long_calls rounds={}\n", rounds);
}

constexpr Workload long_calls{Kind::attack, "long_calls", "makes calls that are as long as calls get",
                              options_, run};
BULKHEAD_WORKLOAD(long_calls)

} // namespace
} // namespace bulkhead::workload
