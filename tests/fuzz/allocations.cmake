# bulkhead_failing_allocations(PROGRAM): allocations of frames pass through tests/fuzz/allocations.cpp.
include_guard()
function(bulkhead_failing_allocations program)
    foreach(wrapped 8allocateERNS0_6DomainEm 12allocate_runERNS0_6DomainEjm 17allocate_metadataERNS0_12DomainMemoryE
            8exchangeENS_6StrongINS_6MfnTagEmEERNS0_6DomainE 23allocate_for_hypervisorEv
            7promiseERNS0_12DomainMemoryEmm 19allocate_contiguousEm)
        target_link_options(${program} PRIVATE -Wl,--wrap=_ZN8bulkhead2hv10FrameTable${wrapped})
    endforeach()
endfunction()
