# The same harness twice: with libFuzzer, and as a plain program that replays fixed inputs.
file(GLOB paging_mm_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hv/mm/*.cpp)
set(paging_harness fuzz/paging_fuzz.cpp fuzz/paging_oracle.cpp unit/machine_host.cpp unit/mm_world.cpp)
bulkhead_fuzzer(paging_fuzz ${paging_harness} ${paging_mm_sources})

bulkhead_replay(paging_replay fuzz/paging_replay.cpp ${paging_harness} ${paging_mm_sources})
