"""Linux as Debian ships it: kernels, packages, initramfs images. Prepares files on this computer, never boots one."""
