# Fuzzers of what domain 0 and the hypervisor read from outside: kernels, the manifest, xenstore requests.
add_executable(fuzz_seeds fuzz/seeds.cpp)
target_link_libraries(fuzz_seeds PRIVATE bulkhead_host)
set(fuzz_seeds_folder ${CMAKE_CURRENT_BINARY_DIR}/seeds)
add_custom_command(TARGET fuzz_seeds POST_BUILD COMMAND fuzz_seeds ${fuzz_seeds_folder} VERBATIM)

# bulkhead_input_fuzzer(KIND LIBRARY RUNS): KIND_fuzz.cpp with libFuzzer, or else RUNS changed seeds.
function(bulkhead_input_fuzzer kind library runs)
    file(MAKE_DIRECTORY ${fuzz_seeds_folder}/${kind})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        bulkhead_fuzzer(fuzz_${kind} fuzz/${kind}_fuzz.cpp SEEDS ${fuzz_seeds_folder}/${kind})
    else()
        add_executable(fuzz_${kind} fuzz/${kind}_fuzz.cpp fuzz/replay.cpp)
        target_link_libraries(fuzz_${kind} PRIVATE bulkhead_host)
        add_test(NAME fuzz_${kind} COMMAND fuzz_${kind} ${fuzz_seeds_folder}/${kind} ${runs})
        set_tests_properties(fuzz_${kind} PROPERTIES LABELS fuzz)
    endif()
    target_link_libraries(fuzz_${kind} PRIVATE ${library})
    add_dependencies(fuzz_${kind} fuzz_seeds)
endfunction()

bulkhead_input_fuzzer(image bulkhead_image 4000)
bulkhead_input_fuzzer(manifest bulkhead_dom0_logic 200000)
bulkhead_input_fuzzer(xenstore bulkhead_xenstore 3000)
