"""Archives, recipes and the choice of a kernel: what needs no package from Debian."""

import subprocess
from pathlib import Path

import pytest

from bulkhead.base.errors import SpecError
from bulkhead.linux import cpio, image, kernel
from bulkhead.linux.libraries import needed
from bulkhead.linux.recipe import find_recipe, recipes

TREE = {
    "usr/bin/tool": cpio.file(b"#!/bin/sh\n", executable=True),
    "bin": cpio.link("usr/bin"),
    "tmp": cpio.directory(0o1777),
    "etc/empty": cpio.file(b""),
}


def test_an_archive_is_the_same_whatever_the_order_and_unpacks_to_the_tree(tmp_path: Path) -> None:
    made = cpio.archive(TREE)
    assert made == cpio.archive(dict(reversed(TREE.items())))
    (tmp_path / "archive").write_bytes(made)
    listed = subprocess.run(
        ["cpio", "-it", "--quiet", "-F", tmp_path / "archive"], capture_output=True, text=True
    ).stdout.split()
    assert listed == ["bin", "etc", "etc/empty", "tmp", "usr", "usr/bin", "usr/bin/tool"]


def test_every_recipe_reads_and_has_an_init_to_run() -> None:
    assert {"small", "sysbench", "stress"} <= set(recipes())
    for recipe in recipes().values():
        assert "busybox-static" in recipe.packages and recipe.help


def test_a_program_that_an_image_names_is_in_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    for path in image.linux_programs():
        built.append(tmp_path / path.name)
        built[-1].write_bytes(b"program")
    monkeypatch.setattr(image, "linux_programs", lambda: built)
    assert "usr/bin/cachebench" in image._our_files(find_recipe("cache"))
    small = image._our_files(find_recipe("small"))
    assert "usr/bin/clocks" in small and "usr/bin/cachebench" not in small


@pytest.mark.parametrize(
    ("text", "message"),
    (
        ("help = ", "Invalid value"),
        ('help = "x"', "write help"),
        ('packages = ["a"]', "write help"),
        ('help = "x"\npackages = "a"', "packages must be a list"),
        ('help = "x"\npackages = ["a"]\nprogramms = []', "unknown key 'programms'"),
    ),
)
def test_a_bad_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(SpecError, match=message):
        recipes(tmp_path)


def test_an_unknown_image_gets_a_suggestion() -> None:
    with pytest.raises(SpecError, match="did you mean 'small'"):
        find_recipe("smal")


def test_a_pattern_means_its_newest_version(tmp_path: Path) -> None:
    for version in ("6.1.0-9-amd64", "6.1.0-56-amd64", "5.10.0-100-amd64"):
        (tmp_path / f"vmlinuz-{version}").touch()
    assert kernel.find_kernel(f"{tmp_path}/vmlinuz-*", "guest").name == "vmlinuz-6.1.0-56-amd64"
    with pytest.raises(SpecError, match="no file matches .*debian:linux"):
        kernel.find_kernel(f"{tmp_path}/nothing-*", "guest")
    assert kernel.find_kernel("/some/path", "guest") == Path("/some/path")


def test_a_program_says_which_libraries_it_needs() -> None:
    names = needed(Path("/usr/bin/python3").resolve().read_bytes())
    assert "libc.so.6" in names and "ld-linux-x86-64.so.2" in names
