bulkhead_unit_test(test_grant unit/grant_test.cpp ${CMAKE_SOURCE_DIR}/hv/core/calls_grant.cpp)
target_link_libraries(test_grant PRIVATE hv_world)
