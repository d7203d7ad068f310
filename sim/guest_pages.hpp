// The pages of one simulated guest: which have frames, which are paged out, which were used lately. The guest
// chooses itself which page to give up, by the clock algorithm with a second chance (F. J. Corbato, "A paging
// experiment with the Multics system", 1968). It never counts frames: those are the memory policy's host's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bulkhead::sim {

class GuestPages {
  public:
    explicit GuestPages(std::size_t pages) : pages_(pages) {}

    [[nodiscard]] std::size_t size() const { return pages_.size(); }
    [[nodiscard]] std::size_t present() const { return resident_.size(); }
    // The guest uses a page. False if it has no frame.
    bool use(std::size_t page) {
        Page& used = pages_[page];
        if (used.place < 0)
            return false;
        used.used = used.sampled = true;
        return true;
    }
    [[nodiscard]] bool is_out(std::size_t page) const { return pages_[page].out; }
    // The hand comes by it last.
    void bring_in(std::size_t page) {
        const auto name = static_cast<std::uint32_t>(page);
        pages_[page] = {static_cast<std::int32_t>(resident_.size()), name, name, true, true, false};
        if (resident_.empty())
            hand_ = name;
        else
            link(pages_[hand_].before, name), link(name, hand_);
        resident_.push_back(name);
    }
    // Pages one out. There must be one.
    void evict() {
        while (std::exchange(pages_[hand_].used, false))
            hand_ = pages_[hand_].after;
        const std::uint32_t gone = hand_, last = resident_.back();
        Page& page = pages_[gone];
        hand_ = page.after;
        link(page.before, page.after);
        pages_[last].place = page.place;
        resident_[static_cast<std::size_t>(page.place)] = last;
        resident_.pop_back();
        page = {.out = true};
    }
    // A page that has a frame; `which` counts them.
    [[nodiscard]] std::uint32_t resident(std::size_t which) const { return resident_[which]; }
    // From now on was_used tells whether the page has been used.
    void watch(std::uint32_t page) { pages_[page].sampled = false; }
    [[nodiscard]] bool is_present(std::uint32_t page) const { return pages_[page].place >= 0; }
    [[nodiscard]] bool was_used(std::uint32_t page) const { return pages_[page].sampled; }

  private:
    struct Page {
        std::int32_t place = -1;             // in resident_
        std::uint32_t before = 0, after = 0; // on the clock's face, if it has a frame
        bool used = false;                   // since the hand came by
        bool sampled = false;                // since it is watched
        bool out = false;                    // what it held is on disk
    };
    void link(std::uint32_t before, std::uint32_t after) {
        pages_[before].after = after;
        pages_[after].before = before;
    }

    std::vector<Page> pages_;
    std::vector<std::uint32_t> resident_; // in any order, to draw one at random
    std::uint32_t hand_ = 0;              // the page that it points at, if one has a frame
};

} // namespace bulkhead::sim
