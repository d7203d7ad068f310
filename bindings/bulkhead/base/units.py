"""Sizes in bytes and times in nanoseconds. Every size and time in the package is a whole number of these."""

MIB = 1 << 20
US = 1_000
SECOND = 1_000_000_000
