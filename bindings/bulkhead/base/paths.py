"""Where the checkout and the build keep things. The only place that knows file names of build products."""

from __future__ import annotations

import os
from pathlib import Path

from bootstrap.build import ROOT, build_dir

from bulkhead.base.errors import BulkheadError

__all__ = [
    "INSTALLED",
    "KIND_FOLDER",
    "RESULTS",
    "ROOT",
    "bare_workload_image",
    "dom0_image",
    "hypervisor_image",
    "linux_programs",
    "narrow_workload_image",
    "output_folder",
    "plugin_dirs",
    "primitives_image",
    "test_image",
    "workload_image",
    "xen_image",
]

# An installed tree states the commit that it was made of.
INSTALLED = (ROOT / "COMMIT").is_file()
# Where results go unless --out says otherwise: below the checkout; below the current folder if it is installed, or of
# somebody else.
RESULTS = Path("out") if INSTALLED or not os.access(ROOT, os.W_OK) else ROOT / "out"

# Where the policies of each kind of plugin::Kind are.
KIND_FOLDER = {"scheduler": "sched", "memory": "memctl", "ring": "ringctl"}


def output_folder(folder: Path, option: str = "--out") -> Path:
    """The folder, made if it is not there. BulkheadError before any work if no file can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise BulkheadError(f"{option} {folder}: a file of that name is in the way; write a folder") from None
    except OSError as error:
        raise BulkheadError(f"{option} {folder}: {error.strerror}; choose another folder") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BulkheadError(f"{option} {folder}: this user cannot write there; choose another folder")
    return folder


def hypervisor_image() -> Path:
    """The hypervisor as a multiboot loader wants it."""
    return build_dir("release") / "hv" / "bulkhead.bin"


def hypervisor_elf() -> Path:
    """The same with symbols."""
    return build_dir("release") / "hv" / "bulkhead.elf"


def dom0_image() -> Path:
    """Domain 0's kernel."""
    return build_dir("release") / "guest" / "dom0" / "dom0.elf"


def workload_image() -> Path:
    """The one guest image with nearly all workloads."""
    return build_dir("release") / "workloads" / "guest.elf"


def narrow_workload_image() -> Path:
    """The same in 32 bits, which a guest with abi=pv32 has."""
    return build_dir("release") / "workloads" / "guest.pv32.elf"


def bare_workload_image(name: str) -> Path:
    """The image of a workload that is a kernel of its own."""
    return build_dir("release") / "workloads" / f"{name}.elf"


def primitives_image(abi: str = "pv64") -> Path:
    """The guest image that measures what each service of a hypervisor costs, of 64 or (pv32) 32 bits."""
    return (
        build_dir("release") / "workloads" / ("primitives.elf" if abi == "pv64" else f"primitives.{abi}.elf")
    )


def xen_image() -> Path:
    """Xen as Debian packages it, to compare with; BULKHEAD_XEN names another file. It need not be there."""
    return Path(os.environ.get("BULKHEAD_XEN", "/boot/xen-4.17-amd64.gz"))


def linux_programs() -> list[Path]:
    """Our programs for Linux images; they need not be built yet."""
    folder = build_dir("release") / "workloads" / "linux" / "programs"
    return [folder / source.stem for source in sorted((ROOT / "workloads/linux/programs").glob("*.c"))]


def test_image(abi: str = "pv64") -> Path:
    """The guest image with the ABI tests, of 64 or (pv32) 32 bits."""
    return build_dir("release") / "tests" / "guest" / ("tests.elf" if abi == "pv64" else f"tests.{abi}.elf")


def plugin_dirs() -> dict[str, Path]:
    """Folder with the built plug-ins of each kind, by plugin::Kind's names."""
    return {kind: build_dir("release") / folder for kind, folder in KIND_FOLDER.items()}
