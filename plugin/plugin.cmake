# bulkhead_plugins(KIND [FROM folder]): every NAME.cpp of the calling folder, or another one, becomes one plug-in,
# ${CMAKE_BINARY_DIR}/KIND/NAME.so. The build fails with a sentence if hosts would refuse its file.
include_guard(GLOBAL)
include(${CMAKE_SOURCE_DIR}/plugin/file.cmake)
add_library(bulkhead_plugin_runtime OBJECT ${CMAKE_SOURCE_DIR}/plugin/runtime.cpp)
target_link_libraries(bulkhead_plugin_runtime PRIVATE bulkhead_freestanding)
target_compile_options(bulkhead_plugin_runtime PRIVATE -fPIC -fno-builtin -fcf-protection=none)

# No debug information in the linked file: it would carry the build folder's path, and one source must make one file.
add_library(bulkhead_plugin INTERFACE)
target_link_libraries(bulkhead_plugin INTERFACE bulkhead_freestanding)
target_compile_definitions(bulkhead_plugin INTERFACE BOOST_DISABLE_ASSERTS)
target_compile_options(bulkhead_plugin INTERFACE -fPIC -fcf-protection=none -fno-jump-tables)
target_link_options(bulkhead_plugin INTERFACE
    -Wl,-T,${CMAKE_SOURCE_DIR}/plugin/plugin.ld -Wl,--version-script=${CMAKE_SOURCE_DIR}/plugin/exports.map
    -Wl,-z,defs -Wl,-z,max-page-size=4096 -Wl,-z,now -Wl,--hash-style=sysv -Wl,--strip-debug)

# A policy once more with sanitizers, for `bulkhead check`. No host takes this file: it needs the sanitizers' own functions.
if(BULKHEAD_HOST_SANITIZERS)
    add_library(bulkhead_plugin_checked INTERFACE)
    target_link_libraries(bulkhead_plugin_checked INTERFACE bulkhead_host)
    target_compile_definitions(bulkhead_plugin_checked INTERFACE NDEBUG BULKHEAD_FREESTANDING BOOST_DISABLE_ASSERTS)
    target_compile_options(bulkhead_plugin_checked INTERFACE
        $<TARGET_PROPERTY:bulkhead_freestanding,INTERFACE_COMPILE_OPTIONS> -O1 -fPIC)
endif()

add_custom_target(policies)

function(bulkhead_plugins kind)
    cmake_parse_arguments(PARSE_ARGV 1 plugins "" "FROM" "")
    if(NOT plugins_FROM)
        set(plugins_FROM ${CMAKE_CURRENT_SOURCE_DIR})
    endif()
    file(GLOB sources CONFIGURE_DEPENDS ${plugins_FROM}/*.cpp)
    list(FILTER sources EXCLUDE REGEX "\\.(workload|model)\\.cpp$") # built by plugin/sdk
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        set(target ${kind}_${name})
        add_library(${target} MODULE ${source} $<TARGET_OBJECTS:bulkhead_plugin_runtime>)
        target_link_libraries(${target} PRIVATE bulkhead_plugin)
        set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
            LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${kind}
            LINK_DEPENDS "${CMAKE_SOURCE_DIR}/plugin/plugin.ld;${CMAKE_SOURCE_DIR}/plugin/exports.map")
        add_dependencies(policies ${target})
        add_custom_command(TARGET ${target} POST_BUILD
            COMMAND bulkhead_plugin_check $<TARGET_FILE:${target}> VERBATIM)
        if(BULKHEAD_HOST_SANITIZERS)
            add_library(${target}_checked MODULE EXCLUDE_FROM_ALL ${source})
            target_link_libraries(${target}_checked PRIVATE bulkhead_plugin_checked)
            set_target_properties(${target}_checked PROPERTIES PREFIX "" OUTPUT_NAME ${name}
                LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/checked/${kind})
        endif()
    endforeach()
endfunction()
