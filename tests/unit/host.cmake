file(GLOB host_tests_of_unit CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/unit/host_*_test.cpp)
bulkhead_unit_test(host_test ${host_tests_of_unit})
target_link_libraries(host_test PRIVATE bulkhead_fallbacks)

# The same templates with the hypervisor's flags and its own small runtime: linking it is the test.
add_executable(host_freestanding unit/host_freestanding.cpp ${CMAKE_SOURCE_DIR}/plugin/runtime.cpp
    ${CMAKE_SOURCE_DIR}/hv/arch/cxx_runtime.cpp
    $<TARGET_OBJECTS:bulkhead_fallbacks_freestanding>)
target_link_libraries(host_freestanding PRIVATE bulkhead_freestanding)
target_link_options(host_freestanding PRIVATE -Wl,-e,host_freestanding_start -Wl,--no-gc-sections)
