"""Pure values: what a run is made of, what it leaves behind, what it looks like meanwhile. Nothing here starts anything."""
