# Each harness twice: with libFuzzer, and as a plain program that replays fixed inputs.
include(${CMAKE_CURRENT_LIST_DIR}/../unit/events.cmake)
foreach(harness grant console_ring)
    bulkhead_fuzzer(${harness}_fuzz fuzz/${harness}_fuzz.cpp ${hv_world_sources} LENGTH 512)
    bulkhead_replay(${harness}_replay fuzz/${harness}_fuzz.cpp fuzz/grant_replay.cpp)
    target_link_libraries(${harness}_replay PRIVATE hv_world)
endforeach()
