# guest_program_bare(NAME sources...): an image with the layout of a PV kernel, without the runtime. Symbols stay, what a
# debugger needs beyond them does not: the whole file is copied into every machine.
include_guard(GLOBAL)

# How everything of a guest is compiled.
add_library(guest_flags INTERFACE)
target_link_libraries(guest_flags INTERFACE bulkhead_freestanding)
target_compile_options(guest_flags INTERFACE -fno-pic -fno-pie -mcmodel=kernel -fcf-protection=none
    -fno-omit-frame-pointer -momit-leaf-frame-pointer) # a dump of a guest lists callers

function(guest_program_bare name)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE bulkhead_freestanding)
    target_link_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-no-pie> -L ${CMAKE_SOURCE_DIR}/guest/runtime
        -T ${CMAKE_SOURCE_DIR}/guest/runtime/guest.ld -Wl,-z,max-page-size=4096 -Wl,--strip-debug)
    set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS
        "${CMAKE_SOURCE_DIR}/guest/runtime/guest.ld;${CMAKE_SOURCE_DIR}/guest/runtime/guest_sections.ld")
endfunction()
