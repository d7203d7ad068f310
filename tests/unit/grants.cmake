include(${CMAKE_CURRENT_LIST_DIR}/events.cmake)
bulkhead_unit_test(test_grant unit/grant_test.cpp)
target_link_libraries(test_grant PRIVATE hv_world)
