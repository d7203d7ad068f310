# Each harness twice: with libFuzzer where the compiler has it, and as a plain program that replays fixed inputs.
include(${CMAKE_CURRENT_LIST_DIR}/../unit/events.cmake)
foreach(harness grant console_ring)
    bulkhead_fuzzer(${harness}_fuzz fuzz/${harness}_fuzz.cpp ${hv_world_sources})
    add_executable(${harness}_replay fuzz/${harness}_fuzz.cpp fuzz/grant_replay.cpp)
    target_link_libraries(${harness}_replay PRIVATE hv_world)
    add_test(NAME ${harness}_replay COMMAND ${harness}_replay)
    set_tests_properties(${harness}_replay PROPERTIES LABELS fuzz)
endforeach()
