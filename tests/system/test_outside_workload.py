"""A workload in a folder of its own, with its model: made by `new`, built by `build --in`, run on both back ends and in an
experiment that lies beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bulkhead.base.errors import SpecError
from bulkhead.cli import main
from bulkhead.experiment.identity import _file_hash, identity
from bulkhead.model.workloads import find_workload
from machines import BACKENDS, MILLISECOND, POWERED_OFF, assert_sound, boot, said

from bulkhead import MIB, Guest, Machine, Policy, Run

NAME = "my_worker"
# In its workload and its model: half of the time it sleeps.
SLEEPER = ("        done += step;\n", "        done += step;\n        guest::sleep(milliseconds(1));\n")
SLEEPING_MODEL = (
    "        co_await me.mark(code(guest::Mark::operations), done);\n",
    "        co_await me.mark(code(guest::Mark::operations), done);\n"
    "        co_await me.block(me.now() + milliseconds(1));\n",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("outside") / "mine"
    assert main(["new", "workload", NAME, "--in", str(made)]) == 0
    assert main(["build", "--in", str(made)]) == 0
    return made


def worker(folder: Path, options: str = "for_ms=100 mark_ops=50") -> Guest:
    return Guest("worker", f"workload:{folder}/build/{NAME}.elf", options, memory=4 * MIB)


def run(folder: Path, backend: str) -> Run:
    hog = Guest("hog", "workload:cpu_hog", memory=4 * MIB)
    return boot(worker(folder), hog, backend=backend, sched=Policy("credit"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_runs_with_its_options(folder: Path, backend: str) -> None:
    done = run(folder, backend)
    assert done.landmark.ledger["worker"].shutdown_reason == POWERED_OFF, said(done)
    marks = done.select("mark", "worker")
    assert len(marks) > 100, "a mark each 50 operations"
    assert_sound(done)


def test_its_model_does_the_same(folder: Path) -> None:
    ran = [run(folder, backend).landmark.ledger["worker"].guest_ns for backend in BACKENDS]
    assert ran[1] == pytest.approx(ran[0], rel=0.1)


def test_a_changed_file_is_the_one_that_runs(folder: Path, tmp_path: Path) -> None:
    """Also in the same process, where the former one has been open."""
    before = run(folder, "sim").landmark.ledger["worker"].guest_ns
    changed = tmp_path / "changed"
    changed.mkdir()
    for kind, (old, new) in (("workload", SLEEPER), ("model", SLEEPING_MODEL)):
        text = (folder / f"{NAME}.{kind}.cpp").read_text(encoding="utf-8")
        assert old in text
        text = text.replace(
            "guest/runtime/print.hpp", 'guest/runtime/schedule.hpp"\n#include "guest/runtime/print.hpp'
        )
        (changed / f"{NAME}.{kind}.cpp").write_text(text.replace(old, new), encoding="utf-8")
    assert main(["build", "--in", str(changed)]) == 0
    after = [run(changed, backend).landmark.ledger["worker"].guest_ns for backend in BACKENDS]
    assert after[1] == pytest.approx(after[0], rel=0.2) and after[1] < 0.5 * before
    # The same path with other contents.
    model = folder / "build" / f"{NAME}.model.so"
    own = model.read_bytes()
    try:
        model.write_bytes((changed / "build" / f"{NAME}.model.so").read_bytes())
        assert run(folder, "sim").landmark.ledger["worker"].guest_ns == after[1]
    finally:
        model.write_bytes(own)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_experiment_beside_it_runs(
    folder: Path, tmp_path: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "experiment", f"my_{backend}", "--in", str(folder)]) == 0
    path = folder / f"my_{backend}.py"
    text = path.read_text(encoding="utf-8")
    kernel = f'"workload:{folder}/build/{NAME}.elf"'
    path.write_text(text.replace('"workload:compute"', kernel), encoding="utf-8")
    words = ["run", str(path), "--quick", "--backend", backend, "--out", str(tmp_path)]
    assert main([*words, "--set", "duration_ms=200", "--set", "hogs=0,1"]) == 0, capsys.readouterr().err
    result = json.loads((tmp_path / f"my_{backend}.json").read_text(encoding="utf-8"))
    alone, beside = (point["metrics"]["throughput"] for point in result["points"])
    assert beside == pytest.approx(alone / 2, rel=0.1)


def test_a_finished_run_stands_for_its_files_alone(folder: Path, tmp_path: Path) -> None:
    for suffix in (".elf", ".model.so"):
        (tmp_path / f"{NAME}{suffix}").write_bytes((folder / "build" / f"{NAME}{suffix}").read_bytes())
    machine = Machine(guests=(Guest("worker", f"workload:{tmp_path}/{NAME}.elf", memory=4 * MIB),))

    def identities() -> list[str]:
        _file_hash.cache_clear()  # one command, one state of the files
        return [identity(machine, backend) for backend in BACKENDS]

    before = identities()
    with open(tmp_path / f"{NAME}.model.so", "ab") as model:
        model.write(b"more")
    changed = identities()
    assert changed[0] == before[0] and changed[1] != before[1]
    with open(tmp_path / f"{NAME}.elf", "ab") as image:
        image.write(b"more")
    assert identities()[0] != before[0]


def test_mistakes_are_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, sentence in (
        (tmp_path / "nothing.elf", "the file does not exist; build it with ./bulkhead build --in DIR"),
        (folder / f"{NAME}.model.cpp", "is not an image of a workload"),
    ):
        with pytest.raises(SpecError, match=sentence):
            find_workload(str(path))
    with pytest.raises(SpecError, match="has no option 'mark_op'; did you mean 'mark_ops'?"):
        boot(worker(folder, "mark_op=1"))
    lonely = tmp_path / f"{NAME}.elf"
    lonely.write_bytes((folder / "build" / f"{NAME}.elf").read_bytes())
    alone = Guest("worker", f"workload:{lonely}", memory=4 * MIB)
    with pytest.raises(
        SpecError, match="the simulator needs a model of workload 'my_worker' in .*my_worker.model.so"
    ):
        boot(alone, backend="sim")
    lonely.with_suffix(".model.so").write_bytes(b"no model")
    with pytest.raises(SpecError, match="the file is not a model; build it with"):
        boot(alone, backend="sim")
    assert main(["build", "--in", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "x.workload.cpp").write_text("not a program", encoding="utf-8")
    assert main(["build", "--in", str(broken)]) == 2
    assert "x.workload.cpp" in capsys.readouterr().err


def test_both_files_are_kept_when_a_name_is_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "workload", NAME, "--in", str(folder)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_marks_are_in_time(folder: Path) -> None:
    """The guest's own option reaches it: half the operations between two marks, twice the marks."""
    few, many = (
        len(
            boot(worker(folder, f"for_ms=100 mark_ops={step}"), duration=200 * MILLISECOND).select(
                "mark", "worker"
            )
        )
        for step in (100, 50)
    )
    assert many == pytest.approx(2 * few, rel=0.1)
