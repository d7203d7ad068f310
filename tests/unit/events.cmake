# Event channels, grants and consoles run over the real frame table and paging, and doubles of the rest.
add_library(hv_world STATIC unit/event_world.cpp)
target_link_libraries(hv_world PUBLIC bulkhead_host)
target_include_directories(hv_world PUBLIC unit)
foreach(source core/event_channel core/event_channel_bind core/grant_active core/grant_map core/grant_leaf core/grant_copy
        core/grant_teardown core/grant_audit mm/frame mm/frame_run mm/paging mm/types mm/update mm/walk mm/leaf)
    target_sources(hv_world PRIVATE ${CMAKE_SOURCE_DIR}/hv/${source}.cpp)
endforeach()

bulkhead_unit_test(test_event_channel unit/event_channel_test.cpp ${CMAKE_SOURCE_DIR}/hv/core/calls_event.cpp)
target_link_libraries(test_event_channel PRIVATE hv_world)
