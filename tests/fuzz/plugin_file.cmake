bulkhead_fuzzer(fuzz_plugin_file fuzz/plugin_file_fuzz.cpp ${CMAKE_SOURCE_DIR}/bindings/native/plugin_file.cpp
    SEEDS ${CMAKE_BINARY_DIR}/sched)
