# Drives every scheduler plug-in of this build as a host would.
add_executable(policy_tests
    policy/plugin_file.cpp policy/machine.cpp policy/machine_run.cpp policy/descriptor_test.cpp policy/properties_test.cpp
    policy/credit_test.cpp policy/credit_sampled_test.cpp policy/round_robin_test.cpp policy/shares_test.cpp
    policy/caps_test.cpp policy/reserved_test.cpp policy/chaos_test.cpp policy/tree_test.cpp)
target_link_libraries(policy_tests PRIVATE bulkhead_host GTest::gtest_main GTest::gmock bulkhead_sim)
target_compile_definitions(policy_tests PRIVATE BULKHEAD_SCHEDULER_FOLDER="${CMAKE_BINARY_DIR}/sched")
add_dependencies(policy_tests policies)
gtest_discover_tests(policy_tests PROPERTIES LABELS policy DISCOVERY_MODE PRE_TEST)

# What a scheduler's wakes and picks cost, up to 10,000 vCPUs, and the hooks of memory and ring policies: `ninja -C build/release bench_sched && build/release/tests/bench_sched`.
find_package(benchmark REQUIRED)
add_executable(bench_sched EXCLUDE_FROM_ALL policy/bench_pick.cpp policy/bench_kinds.cpp policy/plugin_file.cpp policy/kinds.cpp)
target_link_libraries(bench_sched PRIVATE bulkhead_host bulkhead_sim benchmark::benchmark)
target_compile_definitions(bench_sched PRIVATE BULKHEAD_SCHEDULER_FOLDER="${CMAKE_BINARY_DIR}/sched"
    BULKHEAD_MEMORY_FOLDER="${CMAKE_BINARY_DIR}/memctl" BULKHEAD_RING_FOLDER="${CMAKE_BINARY_DIR}/ringctl")
add_dependencies(bench_sched policies)
