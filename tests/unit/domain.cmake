# Domains: the table of those that live.
bulkhead_unit_test(domain_table_test unit/domain_table_test.cpp ${CMAKE_SOURCE_DIR}/hv/domain/table.cpp)
