"""The part that works before any package is installed: packages, build, doctor. Standard library only, on Debian's python3."""
