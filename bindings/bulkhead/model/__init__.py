"""Pure values: a run's machine, its finished form and its samples. Nothing here starts anything."""
