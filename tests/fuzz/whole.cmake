# The whole hypervisor as a program of the host (tests/fuzz/whole): every source that does not need a processor, with the
# fuzzing engine's counters, sanitizers, and a callback for each basic block, which is what its clock counts.
file(GLOB whole_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hv/*/*.cpp ${CMAKE_SOURCE_DIR}/host/*.cpp)
list(FILTER whole_sources EXCLUDE REGEX "/hv/(arch|entry)/|/hv/plugin/(guard|strict)[.]cpp")
foreach(portable arch/address_space arch/descriptors arch/remote entry/interrupts)
    list(APPEND whole_sources ${CMAKE_SOURCE_DIR}/hv/${portable}.cpp)
endforeach()
include(${CMAKE_CURRENT_LIST_DIR}/allocations.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/blocks.cmake)
set(fuzz_flags -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fsanitize-address-use-after-return=never)
add_library(whole_hv OBJECT ${whole_sources})
target_link_libraries(whole_hv PRIVATE bulkhead_warnings)
target_include_directories(whole_hv BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/whole/override)
target_compile_options(whole_hv PRIVATE ${fuzz_flags} ${block_flags}
    -include ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/whole/sections.hpp)
file(GLOB harness_sources CONFIGURE_DEPENDS fuzz/whole/*.cpp)
add_library(whole_harness OBJECT ${harness_sources} fuzz/paging_oracle.cpp fuzz/allocations.cpp)
target_link_libraries(whole_harness PRIVATE bulkhead_warnings)
target_include_directories(whole_harness BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/whole/override)
target_compile_options(whole_harness PRIVATE ${fuzz_flags} -O2)
target_compile_definitions(whole_harness PRIVATE BULKHEAD_SCHEDULER_FOLDER="${CMAKE_BINARY_DIR}/sched"
    BULKHEAD_RING_FOLDER="${CMAKE_BINARY_DIR}/ringctl")

foreach(harness translations events calls life policies rings)
    bulkhead_fuzzer(${harness}_fuzz fuzz/${harness}_fuzz.cpp $<TARGET_OBJECTS:whole_hv> $<TARGET_OBJECTS:whole_harness>
        SECONDS 2)
    target_link_libraries(${harness}_fuzz PRIVATE bulkhead_plugin_file)
    bulkhead_failing_allocations(${harness}_fuzz)
    bulkhead_counts_blocks(${harness}_fuzz)
    target_link_options(${harness}_fuzz PRIVATE -Wl,--no-relax
        -Wl,--wrap=_ZN8bulkhead2hv10FrameTable19free_for_hypervisorENS_6StrongINS_6MfnTagEmEE)
    foreach(edge image_start text_end rodata_end image_end) # of the hypervisor's image, which takes no addresses here
        target_link_options(${harness}_fuzz PRIVATE -Wl,--defsym=${edge}=0x228000000000)
    endforeach()
endforeach()
