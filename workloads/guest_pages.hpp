// The pages of one guest that pages, on either back end: which have frames, which are paged out, which were
// used lately. The guest chooses itself which page to give up, by the clock algorithm with a second chance
// (F. J. Corbato, "A paging experiment with the Multics system", 1968). It never counts frames: those are the
// memory policy's host's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace bulkhead::workload {

class GuestPages {
  public:
    struct Page {
        std::int32_t place = -1;             // in resident_
        std::uint32_t before = 0, after = 0; // on the clock's face, if it has a frame
        bool used = false;                   // since the hand came by
        bool sampled = false;                // since it is watched
        bool out = false;                    // what it held is on disk
    };

    // Both have an element for each page.
    GuestPages(std::span<Page> pages, std::span<std::uint32_t> resident)
        : pages_{pages}, resident_{resident} {}

    [[nodiscard]] std::size_t size() const { return pages_.size(); }
    [[nodiscard]] std::size_t present() const { return present_; }
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
        pages_[page] = {static_cast<std::int32_t>(present_), name, name, true, true, false};
        if (present_ == 0)
            hand_ = name;
        else
            link(pages_[hand_].before, name), link(name, hand_);
        resident_[present_++] = name;
    }
    // Pages one out, and answers which. There must be one.
    std::uint32_t evict() {
        while (std::exchange(pages_[hand_].used, false))
            hand_ = pages_[hand_].after;
        const std::uint32_t gone = hand_;
        hand_ = pages_[gone].after;
        page_out(gone);
        return gone;
    }
    // Pages out this one, which has a frame.
    void drop(std::size_t page) {
        if (hand_ == page)
            hand_ = pages_[page].after;
        page_out(static_cast<std::uint32_t>(page));
    }
    // Which of the pages with a frame this one is, if it has one.
    [[nodiscard]] std::size_t place_of(std::size_t page) const {
        return static_cast<std::size_t>(pages_[page].place);
    }
    // A page that has a frame; `which` counts them.
    [[nodiscard]] std::uint32_t resident(std::size_t which) const { return resident_[which]; }
    // From now on was_used tells whether the page has been used.
    void watch(std::uint32_t page) { pages_[page].sampled = false; }
    [[nodiscard]] bool is_present(std::size_t page) const { return pages_[page].place >= 0; }
    [[nodiscard]] bool was_used(std::uint32_t page) const { return pages_[page].sampled; }

  private:
    void page_out(std::uint32_t gone) {
        const std::uint32_t last = resident_[--present_];
        Page& page = pages_[gone];
        link(page.before, page.after);
        pages_[last].place = page.place;
        resident_[static_cast<std::size_t>(page.place)] = last;
        page = {.out = true};
    }
    void link(std::uint32_t before, std::uint32_t after) {
        pages_[before].after = after;
        pages_[after].before = before;
    }

    std::span<Page> pages_;
    std::span<std::uint32_t> resident_; // the first of them: in any order, to draw one at random
    std::size_t present_ = 0;
    std::uint32_t hand_ = 0; // the page that it points at, if one has a frame
};

} // namespace bulkhead::workload
