# Packets on their way through the hypervisor.
bulkhead_unit_test(net_checksum_test unit/net_checksum_test.cpp ${CMAKE_SOURCE_DIR}/hv/io/net_checksum.cpp)
