// The zones that a memory policy tells apart, over real frames: contiguous parts of memory, or the colours of
// a cache. Each zone has lists of its free frames. All of it is under the lock of free frames.
//
// Free frames of a zone lie in cells. Of parts, a cell is a naturally aligned extent of 2^9 frames. One that
// is free as a whole is found at once, and smaller requests are served from broken cells first, so that whole
// ones last. Of colours, all frames of a colour are one cell: neighbours have different colours.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

struct Frame;

// A doubly linked list of frames threaded through the frame table.
struct FrameList {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint64_t count = 0;
};
inline constexpr std::uint32_t max_zones = 64;
inline constexpr unsigned extent_order = 9;
inline constexpr std::uint32_t extent_frames = 1U << extent_order;

enum class ZoneKind : std::uint8_t { none, parts, colours };

// Frames of each zone: those that a domain owns, and those that it may still take because they were promised
// or granted to it.
struct ZoneUse {
    std::uint32_t has[max_zones];
    std::uint32_t due[max_zones];
    bool changed; // since this was last looked at; also if frames of no zone came or left
};

// An extent on its way to a domain, frame by frame. It left the free frames as a whole.
struct Extent {
    std::uint32_t first = 0;   // 0: there is none
    std::uint32_t done = 0;    // frames that the domain has
    std::uint64_t pfn = 0;     // of the first
    std::uint32_t waiting = 0; // times that a request for another one has met it in a row
    bool undone = false;       // what the domain has of it goes back; the rest has gone
    [[nodiscard]] bool is_under_way() const { return first != 0; }
    [[nodiscard]] std::uint32_t left() const { return first == 0 || undone ? 0 : extent_frames - done; }
};

class Zones {
  public:
    struct Cell {
        FrameList frames;
        std::uint32_t reserved;       // of them, for the extent that this cell becomes
        std::uint32_t next, previous; // cells of the zone in the same state; 0: none
        std::uint8_t zone;
        std::uint8_t list; // that it is in: 0 none, else one more than its state
    };
    struct Zone {
        std::uint64_t frames = 0, free = 0;        // without what is reserved
        std::uint32_t first[2] = {}, last[2] = {}; // cells: broken ones, whole ones
        std::uint32_t start = 0, end = 0;          // of parts: the range of frames
        std::uint32_t cursor = 0;                  // where the next search for a run starts
    };

    // No zones. Numbers of frames and of cells begin with 1: `cells` covers cell_count().
    void start(Frame* frames) {
        *this = {};
        frames_ = frames;
    }
    [[nodiscard]] static std::uint64_t cell_count(ZoneKind kind, std::uint64_t frames);
    void begin(ZoneKind kind, std::uint32_t count, Cell* cells, std::uint32_t cell_count);
    // A free frame that is in no list becomes the zone's.
    void enter(std::uint32_t number, std::uint32_t zone);

    [[nodiscard]] bool is_cut() const { return count_ != 0; }
    [[nodiscard]] ZoneKind kind() const { return kind_; }
    [[nodiscard]] std::uint32_t count() const { return count_; }
    [[nodiscard]] Zone& at(std::uint32_t zone) { return zones_[zone]; }
    [[nodiscard]] const Zone& at(std::uint32_t zone) const { return zones_[zone]; }
    [[nodiscard]] std::uint64_t free() const { return free_; }
    [[nodiscard]] std::uint32_t cells() const { return cell_count_; }
    [[nodiscard]] const Cell& cell(std::uint32_t number) const { return cells_[number]; }
    [[nodiscard]] Cell& cell_of(std::uint32_t frame) { return cells_[cell_number(frame)]; }
    // Whether a frame with this number can be of the zone.
    [[nodiscard]] bool fits(std::uint32_t frame, std::uint32_t zone) const;

    // A frame of a zone becomes free, or is taken.
    void put(std::uint32_t number);
    void take(std::uint32_t number);
    // A free frame; 0 if the zone has none.
    [[nodiscard]] std::uint32_t first_free(std::uint32_t zone) const;
    // Of all zones the one with most free frames.
    [[nodiscard]] std::uint32_t emptiest() const;

    // The first frame of a whole cell, which nobody else can take then; 0 if there is none.
    [[nodiscard]] std::uint32_t reserve(std::uint32_t zone);
    // Whether this frame's cell becomes an extent. Those of its frames that are still free are not for
    // others.
    [[nodiscard]] bool is_reserved(std::uint32_t frame) const {
        return kind_ == ZoneKind::parts && cells_[cell_number(frame)].reserved != 0;
    }
    // The next frame of a reserved cell is taken.
    void take_reserved(std::uint32_t number);
    // What is still reserved of the cell with this frame is free again.
    void end_reserve(std::uint32_t number);

  private:
    [[nodiscard]] std::uint32_t cell_number(std::uint32_t frame) const;
    void change(Cell& cell, std::int64_t free);
    void link(Cell& cell, std::uint8_t list);

    Frame* frames_ = nullptr;
    Cell* cells_ = nullptr;
    std::uint32_t cell_count_ = 0, count_ = 0;
    ZoneKind kind_ = ZoneKind::none;
    std::uint64_t free_ = 0; // in all zones, without what is reserved
    Zone zones_[max_zones];
};

} // namespace bulkhead::hv
