# traps_world is declared in traps.cmake.
bulkhead_unit_test(cpu_policy_test unit/cpu_policy_test.cpp)
target_link_libraries(cpu_policy_test PRIVATE traps_world)
target_compile_definitions(cpu_policy_test PRIVATE BULKHEAD_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
