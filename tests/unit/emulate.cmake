# traps_world is declared in traps.cmake.
bulkhead_unit_test(emulate_test unit/emulate_decode_test.cpp unit/emulate_test.cpp unit/emulate_return_test.cpp unit/emulate_memory_test.cpp)
target_link_libraries(emulate_test PRIVATE traps_world)
