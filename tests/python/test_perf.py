"""Flame graphs from perf's text, and clear words where perf or the machine lacks something."""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
from bulkhead.base.errors import BulkheadError
from bulkhead.cli import main
from bulkhead.perf import draw, read_stacks, recorder

TEXT = """python3
\t    55d0a0 decide+0x10 (/build/_core.so)
\t    55d0b0 run_until+0x99 (/build/_core.so)
\t    7f0011 [unknown] (/usr/lib/libpython3.11.so.1.0)
\t    7f0012 [unknown] (/usr/lib/libpython3.11.so.1.0)

python3
\t    55d0a0 std::map<int, int>::find(int const&) const (/build/_core.so)
\t    55d0b0 run_until (/build/_core.so)

CPU 0/TCG
\t    7f3312 [unknown] (//anon)
\t    55d0b0 cpu_exec (/usr/bin/qemu-system-x86_64)

"""


def test_stacks_are_counted_outermost_first() -> None:
    stacks = read_stacks(TEXT.splitlines(keepends=True))
    assert stacks.counts == {
        ("python3", "[libpython3.11.so.1.0]", "run_until", "decide"): 1,
        ("python3", "run_until", "std::map<int, int>::find(int const&) const"): 1,
        ("CPU 0/TCG", "cpu_exec", "[generated code]"): 1,
    }
    assert dict(stacks.by_function())["decide"] == pytest.approx(1 / 3)
    assert "CPU 0/TCG;cpu_exec;[generated code] 1\n" in stacks.lines()


def test_the_picture_is_one_svg_that_needs_nothing_else() -> None:
    picture = draw(read_stacks(TEXT.splitlines(keepends=True)), "a < b", "3 samples & notes")
    root = xml.fromstring(picture)
    space = "{http://www.w3.org/2000/svg}"
    titles = [element.text or "" for element in root.iter(f"{space}title")]
    assert "run_until: 1 samples, 33.33%" in titles and "all: 3 samples, 100.00%" in titles
    widths = {g[0].text: float(g[1].get("width", "0")) for g in root.iter(f"{space}g")}
    assert widths["python3: 2 samples, 66.67%"] == pytest.approx(
        2 * widths["cpu_exec: 1 samples, 33.33%"], abs=0.2
    )
    assert "href" not in picture and "<script" not in picture


def test_a_machine_without_perf_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        BulkheadError, match="perf is missing: ./bulkhead perf installs its package linux-perf"
    ):
        recorder.record(["true"], {}, 99)


def test_a_command_is_recorded_and_what_is_not_counted_is_said() -> None:
    try:
        recorder.require_perf()
    except BulkheadError as error:
        pytest.skip(str(error))
    found = recorder.record([sys.executable, "-c", "sum(range(10_000_000))"], dict(os.environ), 997)
    assert found.exit_status == 0 and found.stacks.samples > 20
    assert ("samples are taken by time" in found.notes) == ("cycles" in found.missing)
    assert all(name in found.notes for name in found.missing)


@pytest.mark.parametrize(
    "words, message",
    [
        (["perf", "sum"], "unknown back end 'sum'; did you mean 'sim'?"),
        (["perf", "sim", "nothing"], "unknown experiment 'nothing'"),
        (["perf", "sim", "--frequency", "0"], "--frequency 0 is outside 1 to 10000"),
    ],
)
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([*words, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
