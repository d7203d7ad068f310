"""Answers that are worked out another way are those of the jobs themselves."""

import subprocess
from pathlib import Path

import pytest
from bulkhead.experiment.answers import ADDEND, FACTOR, WORD, checksum, digest, reported

JOB = Path(__file__).resolve().parents[2] / "workloads" / "linux" / "jobs" / "digest"


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 100, 1023, 1024])
def test_a_checksum_is_what_stepping_gives(steps):
    value = 7
    for _ in range(steps):
        value = (FACTOR * value + ADDEND) & WORD
    assert checksum(7, steps) == value


def test_a_digest_is_what_the_job_reports():
    script = f'result() {{ echo "RESULT name=digest $1"; }}\nset -- 5\n. {JOB}\n'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert reported(said, "digest", {"rounds": "5", "value": digest(5)})
    assert not reported(said, "digest", {"rounds": "5", "value": digest(4)})


def test_what_was_not_reported_is_not_right():
    assert not reported("RESULT name=other value=1\n", "digest", {"value": "1"})
    assert not reported("", "digest", {})
