# Decoder, emulation and return frames: with libFuzzer, and as a program of fixed inputs.
include(${CMAKE_CURRENT_LIST_DIR}/../unit/traps.cmake)
set(emulate_harness fuzz/emulate_fuzz.cpp unit/traps_world.cpp ${trap_sources})
bulkhead_fuzzer(emulate_fuzz ${emulate_harness})

bulkhead_replay(emulate_replay fuzz/emulate_replay.cpp ${emulate_harness})
