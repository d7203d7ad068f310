# guest_pae_program(NAME sources...): a 32-bit PV kernel with PAE, on guest/pae alone. No library of the compiler's is there
# for 32 bits: such programs divide no 64-bit numbers.
include_guard(GLOBAL)
set(guest_pae_folder ${CMAKE_SOURCE_DIR}/guest/pae CACHE INTERNAL "")

add_library(guest_pae_flags INTERFACE)
target_link_libraries(guest_pae_flags INTERFACE bulkhead_warnings)
target_compile_options(guest_pae_flags INTERFACE -m32 -march=i686 -O2 -g -fno-pic -fcf-protection=none
    $<$<CXX_COMPILER_ID:GNU>:-mgeneral-regs-only>
    $<$<CXX_COMPILER_ID:Clang>:-mno-mmx -mno-sse>
    $<$<COMPILE_LANGUAGE:CXX>:-ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector
        -fno-asynchronous-unwind-tables -fno-strict-aliasing>)
target_compile_definitions(guest_pae_flags INTERFACE NDEBUG BULKHEAD_FREESTANDING)
target_link_options(guest_pae_flags INTERFACE -m32 -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack)

function(guest_pae_program name)
    add_executable(${name} ${ARGN} ${guest_pae_folder}/boot.S ${guest_pae_folder}/kernel.cpp)
    target_link_libraries(${name} PRIVATE guest_pae_flags)
    target_link_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-no-pie> -T ${guest_pae_folder}/pae.ld
        -Wl,-z,max-page-size=4096 -Wl,--strip-debug -Wl,--no-warn-rwx-segments)
    set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS ${guest_pae_folder}/pae.ld)
endfunction()
