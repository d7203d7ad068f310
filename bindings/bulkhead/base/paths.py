"""Where the checkout and the build keep things. The only place that knows file names of build products."""

from __future__ import annotations

from pathlib import Path

from bootstrap.build import ROOT, build_dir

__all__ = [
    "KIND_FOLDER",
    "ROOT",
    "bare_workload_image",
    "dom0_image",
    "hypervisor_image",
    "linux_programs",
    "plugin_dirs",
    "test_image",
    "workload_image",
]

# Where the policies of each kind of plugin::Kind are.
KIND_FOLDER = {"scheduler": "sched", "memory": "memctl", "ring": "ringctl"}


def hypervisor_image() -> Path:
    """The hypervisor as a multiboot loader wants it."""
    return build_dir("release") / "hv" / "bulkhead.bin"


def dom0_image() -> Path:
    """Domain 0's kernel."""
    return build_dir("release") / "guest" / "dom0" / "dom0.elf"


def workload_image() -> Path:
    """The one guest image with nearly all workloads."""
    return build_dir("release") / "workloads" / "guest.elf"


def bare_workload_image(name: str) -> Path:
    """The image of a workload that is a kernel of its own."""
    return build_dir("release") / "workloads" / f"{name}.elf"


def linux_programs() -> list[Path]:
    """The programs that go into every Linux image; they need not be built yet."""
    folder = build_dir("release") / "workloads" / "linux" / "programs"
    return [folder / source.stem for source in sorted((ROOT / "workloads/linux/programs").glob("*.c"))]


def test_image() -> Path:
    """The guest image with the ABI tests."""
    return build_dir("release") / "tests" / "guest" / "tests.elf"


def plugin_dirs() -> dict[str, Path]:
    """Folder with the built plug-ins of each kind, by plugin::Kind's names."""
    return {kind: build_dir("release") / folder for kind, folder in KIND_FOLDER.items()}
