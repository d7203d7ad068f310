bulkhead_fuzzer(fuzz_plugin_file fuzz/plugin_file_fuzz.cpp SEEDS ${CMAKE_BINARY_DIR}/sched)
target_link_libraries(fuzz_plugin_file PRIVATE bulkhead_plugin_file)
