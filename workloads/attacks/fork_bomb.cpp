// Starts one child after the other, as a fork bomb does. A child is a page table that maps copies of pages;
// the table is pinned, so that the hypervisor validates it. When there is no memory for another child, the
// oldest one ends.
#include "guest/runtime/balloon.hpp"
#include "guest/runtime/clock.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/work.hpp"
#include "workloads/workload.hpp"

#include <algorithm>
#include <array>
#include <new>

namespace bulkhead::workload {
namespace {

namespace balloon = guest::balloon;

constexpr Option child_pages{"child_pages", "1", "16", "pages that a child gets, 1 to 64, beside its table"};
constexpr Option copy_us{"copy_us", "us", "1", "CPU time to copy a page"};
constexpr Option work_us{"work_us", "us", "20", "CPU time of a child before the next one"};
constexpr Option mark_forks{"mark_forks", "1", "10", "children between two marks"};
constexpr Option options_[] = {child_pages, copy_us, work_us, mark_forks};

constexpr std::uint64_t iteration_ns = 16; // of work()
constexpr std::size_t most_pages = 64;

using Frames = std::array<Mfn, most_pages + 1>; // of a child: the first one is its table

// The children, oldest first. Each has as many pages as the others. What an ended child had is for the next.
class Family {
  public:
    explicit Family(std::size_t pages)
        : each_{pages + 1}, most_{static_cast<std::size_t>(balloon::most_frames()) / each_ + 1},
          children_{reinterpret_cast<Frames*>(
              guest::allocate_pages((most_ * sizeof(Frames) + page_bytes - 1) / page_bytes))},
          window_{guest::reserve_window(1)} {
        for (std::size_t i = 0; i < most_; ++i)
            new (children_ + i) Frames{};
    }

    // False if there is not even memory for one.
    bool fork(std::uint64_t copy_iterations) {
        while (spare_count_ < each_)
            if (!find_frame())
                return false;
        Frames& child = children_[(first_ + count_) % most_];
        for (std::size_t i = 0; i < each_; ++i)
            child[i] = spare_[--spare_count_];
        for (std::size_t i = 1; i < each_; ++i) {
            map(guest::pte::make(child[i], guest::pte::read_write));
            work(copy_iterations);
        }
        map(guest::pte::make(child[0], guest::pte::read_write));
        auto* const entries = reinterpret_cast<std::uint64_t*>(window_->bytes);
        for (std::size_t i = 0; i < page_bytes / sizeof(std::uint64_t); ++i)
            entries[i] = i + 1 < each_ ? guest::pte::make(child[i + 1], guest::pte::read_write) : 0;
        map(0);
        expect(guest::hypercall::mmuext(MMUEXT_PIN_L1_TABLE, child[0].value()));
        ++count_;
        return true;
    }
    [[nodiscard]] std::size_t size() const { return count_; }

  private:
    static void expect(const guest::Status& done) {
        if (!done)
            guest::panic("a child's page table is refused: {}", done.error());
    }
    void map(std::uint64_t entry) {
        expect(guest::hypercall::update_va_mapping(guest::hypercall::address(window_), entry, UVMF_INVLPG));
    }
    // A new one, or those of the oldest child, which ends.
    bool find_frame() {
        if (const auto frame = balloon::take()) {
            spare_[spare_count_++] = *frame;
            return true;
        }
        if (count_ == 0)
            return false;
        const Frames& oldest = children_[first_];
        expect(guest::hypercall::mmuext(MMUEXT_UNPIN_TABLE, oldest[0].value()));
        std::copy_n(oldest.begin(), each_, spare_.begin() + static_cast<std::ptrdiff_t>(spare_count_));
        spare_count_ += each_;
        first_ = (first_ + 1) % most_;
        --count_;
        return true;
    }

    std::size_t each_, most_; // frames of a child; children
    Frames* children_;
    guest::Page* window_; // of what is being copied
    std::size_t first_ = 0, count_ = 0;
    std::array<Mfn, 2 * (most_pages + 1)> spare_{};
    std::size_t spare_count_ = 0;
};

void run() {
    Family family{std::clamp<std::size_t>(child_pages.number(), 1, most_pages)};
    const std::uint64_t copy = copy_us.number() * 1'000 / iteration_ns;
    const std::uint64_t iterations = work_us.number() * 1'000 / iteration_ns;
    const std::uint64_t step = std::max<std::uint64_t>(mark_forks.number(), 1);
    std::uint64_t forks = 0;
    while (!over()) {
        if (!family.fork(copy)) {
            guest::sleep(milliseconds(1));
            continue;
        }
        work(iterations);
        if (++forks % step == 0)
            guest::mark(guest::Mark::operations, forks);
    }
    guest::mark(guest::Mark::finished, forks);
    guest::print("RESULT name=fork_bomb forks={} alive={}\n", forks, family.size());
}

constexpr Workload fork_bomb{Kind::attack, "fork_bomb",
                             "starts children until memory is short, then ends the oldest for each new one",
                             options_, run};
BULKHEAD_WORKLOAD(fork_bomb)

} // namespace
} // namespace bulkhead::workload
