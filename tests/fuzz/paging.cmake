# The same harness twice: with libFuzzer where the compiler has it, and as a plain program that replays fixed inputs.
file(GLOB paging_mm_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hv/mm/*.cpp)
set(paging_harness fuzz/paging_fuzz.cpp fuzz/paging_oracle.cpp unit/machine_host.cpp unit/mm_world.cpp)
bulkhead_fuzzer(paging_fuzz ${paging_harness} ${paging_mm_sources})

add_executable(paging_replay fuzz/paging_replay.cpp ${paging_harness} ${paging_mm_sources})
target_link_libraries(paging_replay PRIVATE bulkhead_host)
add_test(NAME paging_replay COMMAND paging_replay)
set_tests_properties(paging_replay PROPERTIES LABELS fuzz)
