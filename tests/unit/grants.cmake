include(${CMAKE_CURRENT_LIST_DIR}/events.cmake)
bulkhead_unit_test(test_grant unit/grant_map_test.cpp unit/grant_end_test.cpp unit/grant_table_test.cpp)
target_link_libraries(test_grant PRIVATE hv_world)
