# `bulkhead check`: the properties of every policy, for one that is built with sanitizers. Without them there is nothing to build.
if(BULKHEAD_HOST_SANITIZERS)
    add_executable(policy_check policy/check.cpp policy/machine.cpp policy/machine_run.cpp policy/properties_test.cpp
        policy/memory_properties_test.cpp policy/ring_properties_test.cpp sim/properties_test.cpp)
    target_link_libraries(policy_check PRIVATE bulkhead_host bulkhead_sim GTest::gtest GTest::gmock ${CMAKE_DL_LIBS})
endif()
