// Included before every source of the hypervisor: its variables lie together, so that a run begins with those
// of a machine that has just started (tests/fuzz/whole/boot.cpp).
#pragma once
#pragma clang section bss = "hv_bss" data = "hv_data"
