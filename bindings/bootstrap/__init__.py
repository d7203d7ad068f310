"""What must work before anything is installed: packages, build, doctor. Standard library only, on Debian's python3."""
