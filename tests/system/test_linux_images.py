"""Images for Linux guests, made from packages: the same bytes each time, whole, and refused with one line if they cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulkhead import BulkheadError
from bulkhead.linux import image
from bulkhead.linux.debian import Deb, contents, store
from bulkhead.linux.recipe import Recipe, find_recipe


def test_an_image_is_the_same_bytes_when_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = image.build_image(find_recipe("small"))
    monkeypatch.setattr(image, "store", lambda folder: tmp_path if folder == "images" else store(folder))
    again = image.build_image(find_recipe("small"))
    assert again.parent == tmp_path and again.name == first.name
    assert again.read_bytes() == first.read_bytes()
    assert "busybox-static" in json.loads(again.with_suffix(".json").read_text())


def test_a_program_that_no_package_holds_is_named() -> None:
    recipe = Recipe("odd", "odd", ("busybox-static",), programs=("usr/bin/nothing",))
    with pytest.raises(BulkheadError, match="image odd: no package of it holds usr/bin/nothing"):
        image.build_image(recipe)


def test_a_damaged_package_is_named(tmp_path: Path) -> None:
    deb = Deb(tmp_path / "some.deb", "some", "1")
    deb.path.write_text("no package")
    with pytest.raises(BulkheadError, match="some.deb is damaged"):
        list(contents(deb))


def test_the_command_lists_makes_and_refuses(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert "small: " in command("image").stdout
    out = tmp_path / "copy.cpio"
    assert command("image", "small", "--out", str(out)).returncode == 0
    assert out.read_bytes()[:6] == b"070701"
    refused = command("image", "smal")
    assert refused.returncode == 2 and "did you mean 'small'" in refused.stderr
