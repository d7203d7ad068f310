# Traps, emulation and the CPU policy over doubles of the rest: one library of the code under test, three programs.
include_guard()
include(${CMAKE_CURRENT_LIST_DIR}/mm.cmake)
file(GLOB trap_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hv/trap/*.cpp)
list(REMOVE_ITEM trap_sources ${CMAKE_SOURCE_DIR}/hv/trap/cpu_policy_host.cpp) # the processor's own answers
list(APPEND trap_sources ${CMAKE_SOURCE_DIR}/hv/pae/bounce.cpp ${CMAKE_SOURCE_DIR}/hv/pae/trap.cpp)
foreach(call trap trap_iret vcpu_state)
    list(APPEND trap_sources ${CMAKE_SOURCE_DIR}/hv/calls/${call}.cpp)
endforeach()
add_library(traps_world STATIC unit/traps_world.cpp ${trap_sources})
target_link_libraries(traps_world PUBLIC bulkhead_host)
target_include_directories(traps_world PUBLIC unit)

bulkhead_unit_test(traps_test unit/traps_test.cpp unit/traps_calls_test.cpp)
target_link_libraries(traps_test PRIVATE traps_world)

bulkhead_unit_test(dump_test unit/traps_dump_test.cpp unit/machine_host.cpp unit/mm_world.cpp
    ${CMAKE_SOURCE_DIR}/hv/domain/dump.cpp ${CMAKE_SOURCE_DIR}/hv/base/format.cpp ${mm_sources})
