# Compiler flags, each stated once. Link `bulkhead_warnings` everywhere, `bulkhead_host` in programs of the host,
# `bulkhead_freestanding` in what runs on the bare machine or in a guest.
add_library(bulkhead_warnings INTERFACE)
target_compile_options(bulkhead_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Werror -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
        -Wcast-align -Wnull-dereference -Wimplicit-fallthrough -Wundef -Wvla>)
target_include_directories(bulkhead_warnings INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(bulkhead_warnings INTERFACE $<$<CONFIG:Debug>:BULKHEAD_LOCK_ORDER>)
# Without a version Xen's headers declare its oldest interface: other structures, other numbers for some hypercalls.
target_compile_definitions(bulkhead_warnings INTERFACE __XEN_INTERFACE_VERSION__=0x00040e00)
target_include_directories(bulkhead_warnings SYSTEM INTERFACE /usr/include)

add_library(bulkhead_host INTERFACE)
target_link_libraries(bulkhead_host INTERFACE bulkhead_warnings)
target_compile_options(bulkhead_host INTERFACE
    $<$<BOOL:${BULKHEAD_HOST_SANITIZERS}>:-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer>
    $<$<BOOL:${BULKHEAD_COVERAGE}>:--coverage>)
target_link_options(bulkhead_host INTERFACE
    $<$<BOOL:${BULKHEAD_HOST_SANITIZERS}>:-fsanitize=address,undefined>
    $<$<BOOL:${BULKHEAD_COVERAGE}>:--coverage>)

# No floating point or vector registers: those belong to the guests. clang needs x87 types to parse the library headers.
add_library(bulkhead_freestanding INTERFACE)
target_link_libraries(bulkhead_freestanding INTERFACE bulkhead_warnings)
target_compile_definitions(bulkhead_freestanding INTERFACE NDEBUG BULKHEAD_FREESTANDING)
target_compile_options(bulkhead_freestanding INTERFACE
    -m64 -march=x86-64 -mno-red-zone -O2 -g
    $<$<CXX_COMPILER_ID:GNU>:-mgeneral-regs-only>
    $<$<CXX_COMPILER_ID:Clang>:-mno-mmx -mno-sse -mno-avx>
    $<$<COMPILE_LANGUAGE:CXX>:-ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector
        -fno-asynchronous-unwind-tables -fvisibility=hidden -fno-strict-aliasing>)
target_link_options(bulkhead_freestanding INTERFACE -nostdlib -Wl,--build-id=none -Wl,-z,noexecstack
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-static>)

