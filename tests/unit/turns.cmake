# The keeper of turns, with a timer that looks at what the pCPUs see.
bulkhead_unit_test(turns_test unit/turns_test.cpp ${CMAKE_SOURCE_DIR}/hv/arch/turns.cpp)
