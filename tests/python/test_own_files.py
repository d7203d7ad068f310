"""A user's own files: an experiment and a policy outside of the checkout, and first versions of what is new."""

from __future__ import annotations

from pathlib import Path

import pytest
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import plugin_dirs
from bulkhead.cli import main
from bulkhead.experiment import scaffold
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import check_policies, make_plan
from bulkhead.experiment.scaffold import new_experiment, new_workload
from bulkhead.model.spec import Policy
from bulkhead.result import read_result

CREDIT = plugin_dirs()["scheduler"] / "credit.so"
SHORT = ("--quick", "--backend", "sim", "--jobs", "1", "--set", "hogs=0,1", "--set", "duration_ms=120")


def test_a_new_experiment_outside_of_the_checkout_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.so").write_bytes(CREDIT.read_bytes())
    assert main(["new", "experiment", "hog_loss", "--in", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert (
        f"wrote {tmp_path}/hog_loss.py" in said and f"./bulkhead run {tmp_path}/hog_loss.py --quick" in said
    )
    out = tmp_path / "out"
    levels = f"sched={tmp_path}/mine.so,credit:round=5000,round_robin"
    words = ["run", str(tmp_path / "hog_loss.py"), *SHORT, "--set", levels, "--out", str(out)]
    assert main(words) == 0, capsys.readouterr().err
    result = read_result(out / "hog_loss.json")
    assert (result.experiment, result.title) == ("hog_loss", "Hog loss")
    policies = {point.levels["sched"]: point.policies[0] for point in result.points}
    assert set(policies) == {f"{tmp_path}/mine.so", "credit:round=5000", "round_robin"}
    assert [policy.name for policy in policies.values()] == ["credit", "credit", "round_robin"]
    assert [policy.parameters.get("round") for policy in policies.values()] == [10_000, 5000, None]
    assert {path.suffix for path in out.glob("hog_loss.*")} == {".json", ".png", ".pdf", ".txt"}
    assert main(["report", str(out)]) == 0, "the experiment is known by its name from then on"


def levels(text: str) -> tuple[object, ...]:
    plan = make_plan(find("noisy_neighbour"), True, (f"sched={text}",))
    check_policies(plan)
    return plan.levels["sched"]


def test_a_level_with_parameters_reaches_the_machine() -> None:
    plan = make_plan(find("noisy_neighbour"), True, ("sched=rtds:extra=0+slice=2ms,credit", "rtds.slice=100"))
    assert plan.levels["sched"] == ("rtds:extra=0+slice=2000", "credit")
    assert plan.points[0].policy("sched") == Policy("rtds", {"slice": 2000, "extra": 0})
    assert "/" not in make_plan(find("noisy_neighbour"), True, (f"sched={CREDIT}",)).points[0].label


@pytest.mark.parametrize(
    "text, message",
    [
        ("credit:roud=5", "--set sched: policy credit has no parameter 'roud'; did you mean 'round'"),
        ("credit:round=999999999", "round=999999999 is outside"),
        ("no/such.so", "--set sched: policy file no/such.so does not exist"),
        ("credt", "unknown level 'credt'; did you mean 'credit'"),
    ],
)
def test_a_level_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        levels(text)


def test_an_experiment_file_that_is_not_there() -> None:
    with pytest.raises(BulkheadError, match="experiment no/such.py: there is no such file"):
        find("no/such.py")
    with pytest.raises(BulkheadError, match="or write the path of its file"):
        find("noisy_neigbour")


def test_a_new_workload_is_the_victim_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "compute.cpp").write_text(scaffold.VICTIM.read_text())
    monkeypatch.setattr(scaffold, "VICTIM", tmp_path / "compute.cpp")
    [path] = new_workload("my_victim")
    text = path.read_text()
    assert path == tmp_path / "my_victim.cpp" and text.startswith("// my_victim: say here")
    assert "BULKHEAD_WORKLOAD(my_victim)" in text and '"my_victim",' in text and "name=my_victim" in text
    assert "compute" not in text.replace("only\n// computes", "").replace("computes", "")
    for name in ("compute", "cpu_hog"):
        with pytest.raises(SpecError, match="exists already"):
            new_workload(name)
    guest, model = new_workload("my_victim", tmp_path / "mine")
    assert [file.name for file in (guest, model)] == ["my_victim.workload.cpp", "my_victim.model.cpp"]
    assert guest.read_text() == text and "BULKHEAD_MODEL(my_victim)" in model.read_text()
    guest.unlink()
    with pytest.raises(SpecError, match="my_victim.model.cpp exists already"):
        new_workload("my_victim", tmp_path / "mine")
    assert not guest.exists()


def test_a_taken_or_wrong_name_of_an_experiment_is_refused(tmp_path: Path) -> None:
    new_experiment("mine", tmp_path)
    for name, message in (
        ("mine", "exists already"),
        ("weights", "exists already"),
        ("A-b", "not a valid name"),
    ):
        with pytest.raises(SpecError, match=message):
            new_experiment(name, tmp_path)
