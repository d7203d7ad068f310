# The driver's side of virtio devices over memory of the host.
bulkhead_unit_test(test_virtio unit/virtio_queue_test.cpp ${CMAKE_SOURCE_DIR}/hv/io/virtio_queue.cpp)
