# The schedulers once more, linked into the test of their costs: the compiler inserts a call at each basic block, and the
# one symbol that a policy exports gets its name, so that they go together. The folder decides which there are.
file(GLOB counted_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sched/*.cpp)
list(FILTER counted_sources EXCLUDE REGEX "/chaos\\.cpp$")
set(counted_declarations "")
set(counted_names "")
set(counted_objects "")
foreach(source IN LISTS counted_sources)
    get_filename_component(name ${source} NAME_WE)
    add_library(counted_${name} OBJECT ${source})
    target_link_libraries(counted_${name} PRIVATE bulkhead_host)
    target_compile_definitions(counted_${name} PRIVATE bulkhead_policy=counted_policy_${name} BOOST_DISABLE_ASSERTS)
    target_compile_options(counted_${name} PRIVATE -O1 -fsanitize-coverage=trace-pc)
    string(APPEND counted_declarations "extern \"C\" const bulkhead::plugin::Descriptor counted_policy_${name};\n")
    string(APPEND counted_names "            &counted_policy_${name},\n")
    list(APPEND counted_objects $<TARGET_OBJECTS:counted_${name}>)
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/counted_policies.cpp @ONLY CONTENT
"#include \"tests/policy/cost_machine.hpp\"

@counted_declarations@
namespace bulkhead::policy_test {
std::vector<const plugin::Descriptor*> counted_policies() {
    return {
@counted_names@    };
}
} // namespace bulkhead::policy_test
")
add_executable(policy_cost_tests policy/cost_test.cpp policy/cost_machine.cpp
    ${CMAKE_CURRENT_BINARY_DIR}/counted_policies.cpp ${counted_objects})
target_link_libraries(policy_cost_tests PRIVATE bulkhead_host GTest::gtest_main)
gtest_discover_tests(policy_cost_tests PROPERTIES LABELS policy DISCOVERY_MODE PRE_TEST)
