# guest_program_bare_pv32(NAME sources...): as guest_program_bare, for 32-bit PV with PAE.
include_guard(GLOBAL)
include(${CMAKE_SOURCE_DIR}/guest/pae/pae.cmake)

# The compiler's C++ headers are there for one width only, and ask the C library which widths it has.
set(narrow_headers ${CMAKE_BINARY_DIR}/narrow_headers)
file(WRITE ${narrow_headers}/gnu/stubs-32.h "// Nothing of the C library is used.\n")
set(narrow_includes "SHELL:-isystem ${narrow_headers}")
foreach(folder IN LISTS CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
    list(APPEND narrow_includes "SHELL:-isystem ${folder}")
endforeach()

# Sizes and frame numbers are computed in 64 bits in both widths, and no such guest has as much memory as would not fit:
# the conversions that become narrower here are checked where they are the same.
add_library(guest_narrowing INTERFACE)
target_link_libraries(guest_narrowing INTERFACE bulkhead_warnings)
target_compile_options(guest_narrowing INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-conversion>)
add_library(guest_flags_pv32 INTERFACE)
target_link_libraries(guest_flags_pv32 INTERFACE guest_pae_flags guest_narrowing)
target_compile_options(guest_flags_pv32 INTERFACE -fno-omit-frame-pointer -momit-leaf-frame-pointer
    $<$<COMPILE_LANGUAGE:CXX>:${narrow_includes} -fvisibility=hidden>)

set(narrow_scripts ${CMAKE_SOURCE_DIR}/guest/runtime/pae/guest.ld ${CMAKE_SOURCE_DIR}/guest/runtime/guest_sections.ld)
function(guest_program_bare_pv32 name)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE guest_flags_pv32)
    target_link_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-no-pie> -L ${CMAKE_SOURCE_DIR}/guest/runtime
        -T ${CMAKE_SOURCE_DIR}/guest/runtime/pae/guest.ld -Wl,-z,max-page-size=4096 -Wl,--strip-debug)
    set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS "${narrow_scripts}")
endfunction()
