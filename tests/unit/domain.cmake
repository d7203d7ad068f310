# Domains: the table of those that live, and the addresses at which they are kept.
bulkhead_unit_test(domain_table_test unit/domain_table_test.cpp ${CMAKE_SOURCE_DIR}/hv/domain/table.cpp)
bulkhead_unit_test(hypervisor_half_test unit/hypervisor_half_test.cpp)
