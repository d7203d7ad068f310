# Event channels, grants and consoles run over the real frame table and paging, and doubles of the rest.
include_guard()
file(GLOB hv_world_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hv/mm/*.cpp ${CMAKE_SOURCE_DIR}/hv/io/console*.cpp
    ${CMAKE_SOURCE_DIR}/hv/io/output.cpp ${CMAKE_SOURCE_DIR}/hv/io/block_frame.cpp
    ${CMAKE_SOURCE_DIR}/hv/io/net_frame.cpp
    ${CMAKE_SOURCE_DIR}/hv/event/*.cpp ${CMAKE_SOURCE_DIR}/hv/pae/events.cpp ${CMAKE_SOURCE_DIR}/hv/grant/*.cpp ${CMAKE_SOURCE_DIR}/hv/base/*.cpp
    ${CMAKE_SOURCE_DIR}/hv/domain/resolve.cpp ${CMAKE_SOURCE_DIR}/hv/domain/metadata.cpp
    ${CMAKE_SOURCE_DIR}/hv/calls/event.cpp ${CMAKE_SOURCE_DIR}/hv/calls/grant.cpp
    ${CMAKE_SOURCE_DIR}/hv/calls/console.cpp ${CMAKE_SOURCE_DIR}/hv/calls/version.cpp)
list(APPEND hv_world_sources unit/event_world.cpp unit/machine_host.cpp)
add_library(hv_world STATIC ${hv_world_sources})
target_link_libraries(hv_world PUBLIC bulkhead_host)

bulkhead_unit_test(test_event_channel unit/event_channel_test.cpp unit/event_calls_test.cpp)
target_link_libraries(test_event_channel PRIVATE hv_world)
