# Drives every memory and ring policy of this build through the simulator's hosts.
add_executable(kind_tests policy/kinds.cpp policy/kind_descriptor_test.cpp policy/ring_properties_test.cpp
    policy/ring_chaos_test.cpp policy/ring_bounds_test.cpp policy/mclock_test.cpp policy/memory_properties_test.cpp
    policy/memory_chaos_test.cpp policy/memory_bounds_test.cpp policy/memory_oscillation_test.cpp
    policy/pressure_test.cpp policy/ring_change_test.cpp)
target_link_libraries(kind_tests PRIVATE bulkhead_host bulkhead_sim GTest::gtest_main GTest::gmock)
target_compile_definitions(kind_tests PRIVATE BULKHEAD_MEMORY_FOLDER="${CMAKE_BINARY_DIR}/memctl"
    BULKHEAD_RING_FOLDER="${CMAKE_BINARY_DIR}/ringctl")
add_dependencies(kind_tests policies)
gtest_discover_tests(kind_tests PROPERTIES LABELS policy DISCOVERY_MODE PRE_TEST)
