# The pure part of xenstore: domain 0 and the host's tests each compile it with their own flags.
add_library(bulkhead_xenstore INTERFACE)
file(GLOB xenstore_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
target_sources(bulkhead_xenstore INTERFACE ${xenstore_sources})
