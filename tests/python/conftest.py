"""Makes the package and the experiments importable from the checkout."""

import sys
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "bindings", ROOT, Path(__file__).parent):
    sys.path.insert(0, str(folder))

# The same examples on every computer: a failure here is a failure there.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
