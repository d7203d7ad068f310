#include "hv/mm/zones.hpp"

#include "hv/mm/frame_list.hpp"

namespace bulkhead::hv {

namespace {

enum List : std::uint8_t { no_list, broken, whole };

} // namespace

std::uint64_t Zones::cell_count(ZoneKind kind, std::uint64_t frames) {
    return 1 + (kind == ZoneKind::parts ? frames / extent_frames + 1 : max_zones);
}

void Zones::begin(ZoneKind kind, std::uint32_t count, Cell* cells, std::uint32_t cell_count) {
    kind_ = kind;
    count_ = count;
    cells_ = cells;
    cell_count_ = cell_count;
}

std::uint32_t Zones::cell_number(std::uint32_t frame) const {
    return 1 + (kind_ == ZoneKind::parts ? frame / extent_frames : frame % count_);
}

bool Zones::fits(std::uint32_t frame, std::uint32_t zone) const {
    if (zone >= count_)
        return false;
    const auto& [start, end] = std::pair{zones_[zone].start, zones_[zone].end};
    return kind_ == ZoneKind::parts ? start <= frame && frame < end : frame % count_ == zone;
}

void Zones::enter(std::uint32_t number, std::uint32_t zone) {
    auto& its = zones_[zone];
    if (its.frames++ == 0)
        its.start = its.cursor = number;
    its.end = number + 1;
    frames_[number].place = Frame::place_of(zone);
    cell_of(number).zone = static_cast<std::uint8_t>(zone);
    put(number);
}

// The cell goes to the end of its zone's list of this kind, or leaves the one that it is in.
void Zones::link(Cell& cell, std::uint8_t list) {
    if (cell.list == list)
        return;
    auto& zone = zones_[cell.zone];
    const auto number = static_cast<std::uint32_t>(&cell - cells_);
    if (cell.list != no_list) {
        const unsigned from = cell.list - 1U;
        (cell.previous != 0 ? cells_[cell.previous].next : zone.first[from]) = cell.next;
        (cell.next != 0 ? cells_[cell.next].previous : zone.last[from]) = cell.previous;
        cell.next = cell.previous = 0;
    }
    cell.list = list;
    if (list != no_list) {
        const unsigned to = list - 1U;
        cell.previous = zone.last[to];
        (cell.previous != 0 ? cells_[cell.previous].next : zone.first[to]) = number;
        zone.last[to] = number;
    }
}

// So many frames more of the cell may be taken.
void Zones::change(Cell& cell, std::int64_t free) {
    zones_[cell.zone].free += static_cast<std::uint64_t>(free);
    free_ += static_cast<std::uint64_t>(free);
    const auto now = cell.frames.count - cell.reserved;
    const bool is_whole = kind_ == ZoneKind::parts && now == extent_frames;
    link(cell, now == 0 ? no_list : is_whole ? whole : broken);
}

[[gnu::noinline]] void Zones::put(std::uint32_t number) {
    auto& cell = cell_of(number);
    append_to(cell.frames, frames_, number);
    change(cell, 1);
}

[[gnu::noinline]] void Zones::take(std::uint32_t number) {
    auto& cell = cell_of(number);
    remove_from(cell.frames, frames_, number);
    change(cell, -1);
}

// What is reserved stands at the front of its cell's list.
std::uint32_t Zones::first_free(std::uint32_t zone) const {
    const auto& its = zones_[zone];
    const auto number = its.first[broken - 1] != 0 ? its.first[broken - 1] : its.first[whole - 1];
    if (number == 0)
        return 0;
    const auto& cell = cells_[number];
    return cell.reserved != 0 ? cell.frames.last : cell.frames.first;
}

std::uint32_t Zones::emptiest() const {
    std::uint32_t best = 0;
    for (std::uint32_t zone = 1; zone < count_; ++zone)
        best = zones_[zone].free > zones_[best].free ? zone : best;
    return best;
}

std::uint32_t Zones::reserve(std::uint32_t zone) {
    const auto number = zones_[zone].first[whole - 1];
    if (number == 0)
        return 0;
    cells_[number].reserved = extent_frames;
    change(cells_[number], -std::int64_t{extent_frames});
    return (number - 1) * extent_frames;
}

void Zones::take_reserved(std::uint32_t number) {
    auto& cell = cell_of(number);
    remove_from(cell.frames, frames_, number);
    --cell.reserved;
}

void Zones::end_reserve(std::uint32_t number) {
    auto& cell = cell_of(number);
    const auto left = cell.reserved;
    cell.reserved = 0;
    change(cell, left);
}

} // namespace bulkhead::hv
