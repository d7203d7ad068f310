// Declarations that only the runtime's own files share.
#pragma once

#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"

namespace bulkhead::guest::internal {

struct State {
    const start_info* start;
    xen_pfn_t* frame_list;       // physical-to-machine
    volatile void* console_ring; // xencons_interface, or nullptr
    void* xenstore_ring;         // xenstore_domain_interface, or nullptr
    bool direct_map_ready;
    bool bulkhead;
};
extern constinit State state;

// The steps of boot, in order.
void map_all_memory(); // builds the direct map
// Unmaps what the builder mapped beyond the image; nothing may be read through that mapping any more.
void remove_builder_mapping();
void start_allocator(); // hands the free frames to the page allocator
void install_traps();
void start_events(); // binds the timer and opens upcalls
void start_clock();

// Called with upcalls masked: handles every pending event.
void handle_events();
// Blocks until something happens or the time has passed, with upcalls as they are.
void poll_for(Nanos duration);
// The first frame number that the builder and the direct map left free.
[[nodiscard]] Pfn first_free_frame();
void mark_frame_used(Pfn pfn);
// Read-only in the direct map since boot.
[[nodiscard]] bool is_boot_table(Pfn pfn);

// user.cpp's part of the trap path: takes a trap or syscall that came out of user mode. Does not return if it
// was ours.
void leave_user_mode(traps::Frame& frame);

} // namespace bulkhead::guest::internal

extern "C" char image_end[];
