file(GLOB mm_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/hv/mm/*.cpp)
file(GLOB mm_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/unit/mm_*_test.cpp)
set(mm_world ${CMAKE_CURRENT_SOURCE_DIR}/unit/machine_host.cpp ${CMAKE_CURRENT_SOURCE_DIR}/unit/mm_world.cpp)
bulkhead_unit_test(mm_test ${mm_tests} ${mm_world} ${mm_sources})
