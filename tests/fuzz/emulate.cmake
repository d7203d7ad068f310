# Decoder, emulation and return frames: with libFuzzer, and as a program of fixed inputs.
set(emulate_harness fuzz/emulate_fuzz.cpp unit/traps_world.cpp)
foreach(source traps traps_deliver bounce calls_trap calls_trap_iret calls_vcpu_state emulate_code emulate_debug_registers
        emulate_decode emulate_memory emulate_port emulate_privileged emulate_return emulate_system cpu_policy cpu_policy_msr cpu_policy_table)
    list(APPEND emulate_harness ${CMAKE_SOURCE_DIR}/hv/core/${source}.cpp)
endforeach()
bulkhead_fuzzer(emulate_fuzz ${emulate_harness})

bulkhead_replay(emulate_replay fuzz/emulate_replay.cpp ${emulate_harness})
