// What goes to the machine's console: whole lines, queued, and sent a few bytes at a time, because a serial
// line is slow and no non-preemptible section of the hypervisor may wait for it.
#pragma once

#include <cstddef>

namespace bulkhead::hv {

// "PREFIX| text", or "PREFIX text" with another separator. Text without a line end; one is added. Never loses
// anything: with the queue full it sends until the line fits, which callers avoid by asking output_has_room
// first.
void put_line(const char* prefix, const char* separator, const char* text, std::size_t length);

// Whether all that a guest can make of a few bytes (console_piece of them) fits into the queue.
inline constexpr std::size_t console_piece = 64;
[[nodiscard]] bool output_has_room();

// Sends a little, and more until the section's budget is used up. True once nothing is left to send.
bool pump_output();
// Sends everything: for the end of the run, and for a panic.
void flush_output();

} // namespace bulkhead::hv
