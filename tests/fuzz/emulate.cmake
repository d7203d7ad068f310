# Decoder, emulation and return frames: with libFuzzer where the compiler has it, and as a program of fixed inputs.
set(emulate_harness fuzz/emulate_fuzz.cpp unit/traps_world.cpp)
foreach(source traps traps_deliver bounce calls_trap calls_trap_iret calls_vcpu_state emulate_code emulate_debug_registers
        emulate_decode emulate_memory emulate_port emulate_privileged emulate_system cpu_policy cpu_policy_msr cpu_policy_table)
    list(APPEND emulate_harness ${CMAKE_SOURCE_DIR}/hv/core/${source}.cpp)
endforeach()
bulkhead_fuzzer(emulate_fuzz ${emulate_harness})

add_executable(emulate_replay fuzz/emulate_replay.cpp ${emulate_harness})
target_link_libraries(emulate_replay PRIVATE bulkhead_host)
add_test(NAME emulate_replay COMMAND emulate_replay)
set_tests_properties(emulate_replay PROPERTIES LABELS fuzz)
