"""Comparison of a result with a reference."""

from dataclasses import replace

import pytest
from bulkhead.result import read_result
from bulkhead.result.compare import close, comparable_bits, differences
from test_figures import result_file


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return read_result(result_file("theft_of_service", tmp_path_factory.mktemp("reference")))


def changed(result, **parts):
    return replace(result, points=[replace(result.points[0], **parts), *result.points[1:]])


def test_a_result_is_the_same_as_itself(reference):
    assert differences(reference, reference) == []
    assert comparable_bits(reference, reference)


def test_a_number_that_moved_is_named(reference):
    shares = {"attacker": 0.51, "victim": 0.49}
    other = changed(reference, metrics=reference.points[0].metrics | {"share": shares})
    assert any("sched=round_robin: share.attacker is 0." in line for line in differences(reference, other))
    assert differences(reference, other, tolerance=0.05) == []


def test_a_trace_that_moved_counts_only_without_tolerance(reference):
    other = changed(reference, trace_sha256="0" * 64)
    assert len(differences(reference, other)) == 1
    assert differences(reference, other, tolerance=0.01) == []


def test_missing_points_and_numbers_are_differences(reference):
    assert "0 such points" in differences(reference, replace(reference, points=reference.points[1:]))[0]
    without = {name: value for name, value in reference.points[0].metrics.items() if name != "share"}
    assert any(
        "against nothing" in line for line in differences(reference, changed(reference, metrics=without))
    )


def test_bits_are_comparable_only_for_the_same_clean_build(reference):
    other_qemu = replace(reference, versions=replace(reference.versions, qemu="8.0"))
    dirty = replace(reference, versions=replace(reference.versions, dirty=True))
    assert not comparable_bits(reference, other_qemu)
    assert not comparable_bits(dirty, dirty)


def test_close_is_relative_and_knows_no_answer():
    assert close(None, None, 0) and not close(None, 0, 1)
    assert close(100, 101, 0.01) and not close(100, 102, 0.01)
    assert close(0, 0, 0)
