# The simulator's own tests, under every scheduler of this build.
add_executable(sim_tests sim/cache_test.cpp sim/disk_drive_test.cpp sim/guest_pages_test.cpp sim/world_test.cpp
    sim/guard_test.cpp sim/guard_death_test.cpp sim/guard_text.cpp
    sim/misconduct_test.cpp sim/swap_test.cpp sim/properties_test.cpp policy/plugin_file.cpp)
target_link_libraries(sim_tests PRIVATE bulkhead_host bulkhead_sim GTest::gtest_main GTest::gmock)
target_compile_definitions(sim_tests PRIVATE BULKHEAD_SCHEDULER_FOLDER="${CMAKE_BINARY_DIR}/sched")
add_dependencies(sim_tests policies)
gtest_discover_tests(sim_tests PROPERTIES LABELS sim DISCOVERY_MODE PRE_TEST)
