"""`bulkhead image`: makes an initramfs for Linux guests, or says which ones there are."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Optional

import typer

from bulkhead.base.errors import BulkheadError
from bulkhead.linux.image import build_image
from bulkhead.linux.kernel import debian_kernel
from bulkhead.linux.recipe import find_recipe, recipes


def image(
    name: Optional[str] = typer.Argument(
        None, help="Name of the image; without a name, the list of all images."
    ),
    out: Optional[Path] = typer.Option(None, help="Also copy the image to this file."),
    refresh: bool = typer.Option(False, help="Ask apt for newer packages."),
) -> int:
    """Make a Linux image (initramfs) from Debian packages. Prints its path, and Debian's kernel beside it."""
    if name is None:
        for recipe in recipes().values():
            print(f"{recipe.name}: {recipe.help}")
            print(f"     from {', '.join(recipe.packages)}")
        return 0
    path = build_image(find_recipe(name), refresh)
    if out is not None:
        try:
            shutil.copyfile(path, out)
        except OSError as error:
            raise BulkheadError(f"--out {out}: {error.strerror}") from None
    print(out or path)
    print(f"kernel: {debian_kernel()}", file=sys.stderr)
    return 0
