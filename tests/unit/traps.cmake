# Traps, emulation and the CPU policy over doubles of the rest: one library of the code under test, three programs.
add_library(traps_world STATIC unit/traps_world.cpp)
target_link_libraries(traps_world PUBLIC bulkhead_host)
target_include_directories(traps_world PUBLIC unit)
foreach(source traps traps_deliver bounce calls_trap calls_trap_iret calls_vcpu_state emulate_code emulate_debug_registers
        emulate_decode emulate_memory emulate_port emulate_privileged emulate_return emulate_system cpu_policy cpu_policy_msr cpu_policy_table)
    target_sources(traps_world PRIVATE ${CMAKE_SOURCE_DIR}/hv/core/${source}.cpp)
endforeach()

bulkhead_unit_test(traps_test unit/traps_test.cpp unit/traps_calls_test.cpp)
target_link_libraries(traps_test PRIVATE traps_world)

file(GLOB dump_mm_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hv/mm/*.cpp)
bulkhead_unit_test(dump_test unit/traps_dump_test.cpp unit/machine_host.cpp unit/mm_world.cpp
    ${CMAKE_SOURCE_DIR}/hv/core/dump.cpp ${CMAKE_SOURCE_DIR}/hv/io/format.cpp ${dump_mm_sources})
