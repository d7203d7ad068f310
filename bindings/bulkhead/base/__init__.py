"""The ground: errors, units, text, paths, the terminal, the C++ headers' tables. Knows no machine."""
