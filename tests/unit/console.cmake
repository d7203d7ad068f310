include(${CMAKE_CURRENT_LIST_DIR}/events.cmake)
bulkhead_unit_test(test_console unit/console_test.cpp unit/console_terminal_test.cpp)
target_link_libraries(test_console PRIVATE hv_world)
