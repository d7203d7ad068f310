# The whole hypervisor as a program of the host (tests/fuzz/whole): every source that does not need a processor, with the
# fuzzing engine's counters, sanitizers, and a callback for each basic block, which is what its clock counts.
file(GLOB whole_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hv/*/*.cpp ${CMAKE_SOURCE_DIR}/host/*.cpp)
list(FILTER whole_sources EXCLUDE REGEX "/hv/(arch|entry)/|/hv/plugin/(guard|strict)[.]cpp")
foreach(portable arch/address_space arch/descriptors arch/remote entry/interrupts)
    list(APPEND whole_sources ${CMAKE_SOURCE_DIR}/hv/${portable}.cpp)
endforeach()
include(${CMAKE_CURRENT_LIST_DIR}/allocations.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/blocks.cmake)
set(fuzz_flags -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fsanitize-address-use-after-return=never
    -fno-omit-frame-pointer -fno-optimize-sibling-calls) # calls that allocate are found by their return addresses: whole/sites.cpp
set(whole_io_sources ${whole_sources})
list(FILTER whole_io_sources INCLUDE REGEX "/hv/io/")
list(REMOVE_ITEM whole_sources ${whole_io_sources})
add_library(whole_hv OBJECT ${whole_sources})
add_library(whole_io OBJECT ${whole_io_sources}) # its reads are watched: tests/fuzz/whole/producers.cpp
target_compile_options(whole_io PRIVATE -fsanitize-coverage=trace-loads)
foreach(part whole_hv whole_io)
    target_link_libraries(${part} PRIVATE bulkhead_warnings)
    target_include_directories(${part} BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/whole/override)
    target_compile_options(${part} PRIVATE ${fuzz_flags} ${block_flags}
        -include ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/whole/sections.hpp)
endforeach()
file(GLOB harness_sources CONFIGURE_DEPENDS fuzz/whole/*.cpp)
add_library(whole_harness OBJECT ${harness_sources} fuzz/paging_oracle.cpp fuzz/allocations.cpp)
target_link_libraries(whole_harness PRIVATE bulkhead_warnings)
target_include_directories(whole_harness BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/whole/override)
target_compile_options(whole_harness PRIVATE ${fuzz_flags} -O2)
target_compile_definitions(whole_harness PRIVATE BULKHEAD_SCHEDULER_FOLDER="${CMAKE_BINARY_DIR}/sched"
    BULKHEAD_RING_FOLDER="${CMAKE_BINARY_DIR}/ringctl" BULKHEAD_MEMORY_FOLDER="${CMAKE_BINARY_DIR}/memctl")

# whole_program(NAME): links what every program with the whole hypervisor needs.
function(whole_program name)
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:whole_hv> $<TARGET_OBJECTS:whole_io> $<TARGET_OBJECTS:whole_harness>)
    target_link_libraries(${name} PRIVATE bulkhead_plugin_file)
    bulkhead_failing_allocations(${name})
    bulkhead_counts_blocks(${name})
    target_link_options(${name} PRIVATE -Wl,--no-relax
        -Wl,--wrap=_ZN8bulkhead2hv10FrameTable19free_for_hypervisorENS_6StrongINS_6MfnTagEmEE)
    foreach(edge image_start text_end rodata_end image_end) # of the hypervisor's image, which takes no addresses here
        target_link_options(${name} PRIVATE -Wl,--defsym=${edge}=0x228000000000)
    endforeach()
endfunction()

foreach(harness translations events calls life policies rings)
    bulkhead_fuzzer(${harness}_fuzz fuzz/${harness}_fuzz.cpp SECONDS 2 LENGTH 1024)
    whole_program(${harness}_fuzz)
endforeach()

# Cases in a given order, each a program run.
add_executable(whole_steps fuzz/whole_steps.cpp)
add_executable(whole_exhaustion fuzz/whole_exhaustion.cpp fuzz/exhaustion_cases.cpp fuzz/allocation_sites.cpp)
foreach(program whole_steps whole_exhaustion)
    target_link_libraries(${program} PRIVATE bulkhead_warnings)
    target_include_directories(${program} BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/whole/override)
    target_compile_options(${program} PRIVATE ${fuzz_flags})
    target_link_options(${program} PRIVATE -fsanitize=address,undefined)
    whole_program(${program})
    add_dependencies(fuzzers ${program} policies)
endforeach()
foreach(case disk interface destroy again)
    add_test(NAME whole_steps_${case} COMMAND whole_steps ${case})
    set_tests_properties(whole_steps_${case} PROPERTIES LABELS fuzz)
endforeach()
add_test(NAME whole_exhaustion COMMAND whole_exhaustion)
set_tests_properties(whole_exhaustion PROPERTIES LABELS fuzz)
