bulkhead_unit_test(image_test
    unit/image_elf_test.cpp
    unit/image_fill_test.cpp
    unit/image_kernel_test.cpp
    unit/image_layout_test.cpp
    unit/image_notes_test.cpp
    unit/image_start_info_test.cpp)
target_link_libraries(image_test PRIVATE bulkhead_image)
