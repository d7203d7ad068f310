# The same harness twice: with libFuzzer, and as a plain program that replays fixed inputs.
include(${CMAKE_CURRENT_LIST_DIR}/../unit/mm.cmake)
set(paging_harness fuzz/paging_fuzz.cpp unit/machine_host.cpp unit/mm_world.cpp ${mm_call_sources})
bulkhead_fuzzer(paging_fuzz ${paging_harness})
bulkhead_judges(paging_fuzz fuzz/paging_oracle.cpp fuzz/changes.cpp ${CMAKE_SOURCE_DIR}/hv/mm/audit.cpp
    ${CMAKE_SOURCE_DIR}/hv/mm/audit_checks.cpp)

bulkhead_replay(paging_replay fuzz/paging_replay.cpp fuzz/paging_oracle.cpp fuzz/changes.cpp ${paging_harness})
