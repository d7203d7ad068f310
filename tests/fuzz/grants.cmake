# Each harness twice: with libFuzzer, and as a plain program that replays fixed inputs.
include(${CMAKE_CURRENT_LIST_DIR}/../unit/events.cmake)
foreach(harness grant console_ring)
    bulkhead_fuzzer(${harness}_fuzz fuzz/${harness}_fuzz.cpp ${hv_world_sources} LENGTH 512)
    bulkhead_replay(${harness}_replay fuzz/${harness}_fuzz.cpp fuzz/grant_replay.cpp)
    target_link_libraries(${harness}_replay PRIVATE hv_world)
endforeach()
bulkhead_judges(grant_fuzz fuzz/changes.cpp ${CMAKE_SOURCE_DIR}/hv/mm/audit.cpp ${CMAKE_SOURCE_DIR}/hv/mm/audit_checks.cpp
    ${CMAKE_SOURCE_DIR}/hv/grant/audit.cpp)
target_sources(grant_replay PRIVATE fuzz/changes.cpp)
