bulkhead_unit_test(dom0_xenstore_test
    unit/dom0_xenstore_cost_test.cpp
    unit/dom0_xenstore_server_test.cpp
    unit/dom0_xenstore_transaction_test.cpp
    unit/dom0_xenstore_transport_test.cpp
    unit/dom0_xenstore_watch_test.cpp)
target_link_libraries(dom0_xenstore_test PRIVATE bulkhead_xenstore)

bulkhead_unit_test(dom0_test unit/dom0_manifest_test.cpp unit/dom0_timeline_test.cpp)
target_link_libraries(dom0_test PRIVATE bulkhead_dom0_logic)
