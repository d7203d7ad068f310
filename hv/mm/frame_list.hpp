// What a FrameList does: each step takes the whole frame table, and a number in it.
#pragma once

#include "hv/mm/frame.hpp"

namespace bulkhead::hv {

inline void append_to(FrameList& list, Frame* frames, std::uint32_t number) {
    frames[number].next = 0;
    frames[number].previous = list.last;
    if (list.last != 0)
        frames[list.last].next = number;
    else
        list.first = number;
    list.last = number;
    ++list.count;
}

inline void remove_from(FrameList& list, Frame* frames, std::uint32_t number) {
    auto& frame = frames[number];
    if (frame.previous != 0)
        frames[frame.previous].next = frame.next;
    else
        list.first = frame.next;
    if (frame.next != 0)
        frames[frame.next].previous = frame.previous;
    else
        list.last = frame.previous;
    frame.next = frame.previous = 0;
    --list.count;
}

} // namespace bulkhead::hv
