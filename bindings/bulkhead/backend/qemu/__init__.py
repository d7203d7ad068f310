"""The back end `qemu`: boots the hypervisor in an emulated machine, and reads the run out of its RAM."""
