# The reader of policies' files, as sources: the hypervisor, the simulator and the host's programs compile them with their
# own flags. bulkhead_plugin_check, built from them, is run on every policy that is linked.
include_guard(GLOBAL)
add_library(bulkhead_plugin_file INTERFACE)
foreach(source file object object_dynamic refusal)
    target_sources(bulkhead_plugin_file INTERFACE ${CMAKE_SOURCE_DIR}/plugin/${source}.cpp)
endforeach()

add_executable(bulkhead_plugin_check ${CMAKE_SOURCE_DIR}/plugin/check.cpp)
target_link_libraries(bulkhead_plugin_check PRIVATE bulkhead_host bulkhead_plugin_file)
set_target_properties(bulkhead_plugin_check PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugin)
