# The same harness twice: with libFuzzer, and as a plain program that replays fixed inputs.
include(${CMAKE_CURRENT_LIST_DIR}/../unit/mm.cmake)
set(paging_harness fuzz/paging_fuzz.cpp fuzz/paging_oracle.cpp unit/machine_host.cpp unit/mm_world.cpp ${mm_call_sources})
bulkhead_fuzzer(paging_fuzz ${paging_harness})

bulkhead_replay(paging_replay fuzz/paging_replay.cpp ${paging_harness})
