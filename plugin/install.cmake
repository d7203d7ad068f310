# What a policy outside this repository is built with: `cmake --install build/release --component sdk --prefix DIR` puts the
# headers, the rules of this build and the command DIR/bin/bulkhead-plugin there. The layout is this repository's.
set(sdk share/bulkhead)
install(FILES abi/types.hpp abi/plugin.hpp DESTINATION ${sdk}/abi COMPONENT sdk)
foreach(kind sched memctl ringctl)
    install(DIRECTORY ${kind}/ DESTINATION ${sdk}/${kind} COMPONENT sdk FILES_MATCHING PATTERN "*.hpp")
endforeach()
file(GLOB reader CONFIGURE_DEPENDS plugin/check.cpp plugin/file.* plugin/object*.* plugin/refusal.* plugin/text.hpp)
install(FILES ${reader} plugin/policy.hpp plugin/tree.hpp plugin/turns.hpp plugin/plugin.cmake plugin/plugin.ld plugin/exports.map plugin/runtime.cpp
    DESTINATION ${sdk}/plugin COMPONENT sdk)
install(FILES image/bytes.hpp DESTINATION ${sdk}/image COMPONENT sdk)
install(FILES cmake/flags.cmake DESTINATION ${sdk}/cmake COMPONENT sdk)
install(FILES plugin/sdk/CMakeLists.txt DESTINATION ${sdk} COMPONENT sdk)
install(PROGRAMS plugin/sdk/bulkhead-plugin DESTINATION bin COMPONENT sdk)
