# bulkhead_counts_blocks(PROGRAM): links tests/fuzz/blocks.cpp so that code compiled with ${block_flags} counts its basic blocks.
include_guard()
set(block_flags -fsanitize-coverage=inline-8bit-counters,pc-table,trace-pc)
function(bulkhead_counts_blocks program)
    target_sources(${program} PRIVATE fuzz/blocks.cpp)
    target_link_options(${program} PRIVATE -Wl,--wrap=__sanitizer_cov_trace_pc)
endfunction()
