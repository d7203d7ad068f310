# Memory work on several pCPUs at once, under ThreadSanitizer, which excludes the other sanitizers.
include(${CMAKE_CURRENT_LIST_DIR}/mm.cmake)
add_executable(race_test unit/race_test.cpp ${mm_world} ${mm_call_sources})
target_link_libraries(race_test PRIVATE bulkhead_warnings GTest::gtest_main)
target_compile_options(race_test PRIVATE -g -O1 -fsanitize=thread)
target_link_options(race_test PRIVATE -fsanitize=thread)
gtest_discover_tests(race_test PROPERTIES LABELS unit DISCOVERY_MODE PRE_TEST)
