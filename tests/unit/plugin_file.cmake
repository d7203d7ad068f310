# The reader of policies' files, and the simulator, which opens what the reader accepts.
set(policy_files ${CMAKE_CURRENT_SOURCE_DIR}/policy_files)
bulkhead_unit_test(plugin_file_test unit/plugin_file_test.cpp unit/plugin_text_test.cpp ${policy_files}/bad_files.cpp
    ${policy_files}/bad_objects.cpp ${policy_files}/bad_descriptors.cpp)
target_link_libraries(plugin_file_test PRIVATE bulkhead_sim)
target_compile_definitions(plugin_file_test PRIVATE BULKHEAD_BUILD_FOLDER="${CMAKE_BINARY_DIR}")
add_dependencies(plugin_file_test policies)
