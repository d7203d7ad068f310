# Fuzzers of what domain 0 and the hypervisor read from outside: kernels, the manifest, xenstore requests.
add_executable(fuzz_seeds fuzz/seeds.cpp)
target_link_libraries(fuzz_seeds PRIVATE bulkhead_host)
set(fuzz_seeds_folder ${CMAKE_CURRENT_BINARY_DIR}/seeds)
add_custom_command(TARGET fuzz_seeds POST_BUILD COMMAND fuzz_seeds ${fuzz_seeds_folder} VERBATIM)

# bulkhead_input_fuzzer(KIND LIBRARY): KIND_fuzz.cpp, which starts from KIND's seeds.
function(bulkhead_input_fuzzer kind library)
    file(MAKE_DIRECTORY ${fuzz_seeds_folder}/${kind})
    bulkhead_fuzzer(fuzz_${kind} fuzz/${kind}_fuzz.cpp SEEDS ${fuzz_seeds_folder}/${kind})
    target_link_libraries(fuzz_${kind} PRIVATE ${library})
    add_dependencies(fuzz_${kind} fuzz_seeds)
endfunction()

bulkhead_input_fuzzer(image bulkhead_image)
bulkhead_input_fuzzer(manifest bulkhead_dom0_logic)
bulkhead_input_fuzzer(xenstore bulkhead_xenstore)
