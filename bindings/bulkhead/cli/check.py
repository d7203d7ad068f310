"""`bulkhead check`: one policy against what every policy of its kind promises; `bulkhead artifact`: claims and their commands."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Optional

import typer

from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import KIND_FOLDER, ROOT, plugin_dirs
from bulkhead.base.sdk import build_folder
from bulkhead.experiment.draw import declared
from bulkhead.experiment.find import find
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import ChosenPolicy, choose, is_file_name, parse_policy, parse_values
from bulkhead.policy.python import load
from bulkhead.policy.tables import KIND_TEXT, built_policies, read_policy
from bulkhead.report.answer import answer, command
from bulkhead.result import read_result
from bulkhead.testing.check import check as check_policy
from bulkhead.testing.check import writes
from bulkhead.testing.check.sanitized import sanitized

REFERENCES = ROOT / "results"
STATES = {
    True: "holds",
    False: "BROKEN",
    None: "-",
}  # of a promise; None: it was not tried, the line says why
BYTES_PER_RECORD = 6  # of a packed trace, roughly


def check(
    policy: str = typer.Argument(
        ..., metavar="NAME|PATH[:p=v,...]", help="A built policy, or a file: NAME.cpp, NAME.so or NAME.py."
    ),
    kind: Optional[str] = typer.Option(
        None,
        help="sched, memctl or ringctl, for a name that several kinds have. Default: the first of these.",
    ),
    machines: int = typer.Option(20, help="Random machines to simulate."),
    boots: int = typer.Option(2, help="Random machines to boot under the strict guard; 0 for none."),
) -> int:
    """Hold a policy to its promises: with sanitizers, on random machines. Exit status 1 if one is broken."""
    if machines < 1 or boots < 0:
        raise SpecError(f"check: --machines {machines} is not at least 1, or --boots {boots} is less than 0")
    spec, chosen = _subject(policy, kind)
    broken = 0
    print(f"{'':6} {f'the {KIND_TEXT[chosen.policy.kind]} ...':62} tried on")
    booted = (writes(spec, chosen.policy, boots) for _ in range(min(boots, 1)))
    for verdict in itertools.chain(check_policy(spec, chosen.policy, machines), sanitized(chosen), booted):
        broken += verdict.holds is False
        print(f"{STATES[verdict.holds]:6} {verdict.promise:62} {verdict.detail}", flush=True)
    return 1 if broken else 0


def _subject(text: str, option: str | None) -> tuple[Policy, ChosenPolicy]:
    """The policy that the command names; a source outside of the checkout is built first."""
    name, colon, rest = text.partition(":")
    if name.endswith(".py"):
        found = load(Path(name))
        table = choose(found.kind, found.spec()).policy
        spec = found.spec(**parse_values(table, text))
        return spec, choose(found.kind, spec)
    path = Path(name)
    if name.endswith(".cpp"):
        if not path.is_file():
            raise SpecError(f"check: {name} does not exist; write the path of a policy's source")
        inside = [kind for kind, folder in KIND_FOLDER.items() if path.resolve().parent == ROOT / folder]
        if not inside:
            build_folder(path.parent)
        built = plugin_dirs()[inside[0]] if inside else path.parent / "build"
        text = f"{built / path.stem}.so{colon}{rest}"
    kind = _kind(text.partition(":")[0], option)
    spec = parse_policy(kind, text)
    return spec, choose(kind, spec)


def _kind(name: str, option: str | None) -> str:
    """As a path says, or the option, or the first kind that has a policy of that name."""
    if is_file_name(name):
        return read_policy(Path(name)).kind
    kinds = {folder: kind for kind, folder in KIND_FOLDER.items()}
    if option is not None:
        if option not in kinds:
            raise SpecError(f"check: --kind {option}: write {', '.join(kinds)}")
        return kinds[option]
    return next((kind for kind in kinds.values() if name in built_policies(kind)), "scheduler")


def artifact(
    folder: Path = typer.Argument(
        REFERENCES, help="Folder with result files; default: the reference results."
    ),
) -> int:
    """For each result: its claim, the command that makes it again, disk, figures, and the hash that it must have."""
    results = sorted(path for path in folder.glob("*.json") if path.is_file())
    if not results:
        raise BulkheadError(f"artifact: {folder} holds no result; run an experiment with --out {folder}")
    print("# Claims\n")
    for path in results:
        print("\n".join(_claim(path)))
    return 0


def _claim(path: Path) -> list[str]:
    result = read_result(path)
    specs = declared(result)
    figures = [f"`{file.name}`" for spec in specs for file in sorted(path.parent.glob(f"{spec.name}.p*"))]
    traces = hashlib.sha256("".join(point.trace_sha256 for point in result.points).encode()).hexdigest()
    runs = len(result.points) * result.samples * result.repeats
    records = sum(point.trace_records for point in result.points) * result.samples * result.repeats
    seconds = sum(point.window_end_ns for point in result.points) * result.samples * result.repeats / 1e9
    return [
        f"## {result.title}\n",
        f"{result.question} {answer(specs[0], result) if specs else ''}\n",
        "| | |",
        "| --- | --- |",
        f"| command | `{command(result, find(result.experiment))}` |",
        f"| compare | `./bulkhead compare {path.name} out/{result.experiment}/{result.experiment}.json` |",
        f"| runs | {runs}, {seconds:,.0f} s of the machine's time, {result.provenance} |",
        f"| disk | about {max(1, records * BYTES_PER_RECORD >> 20)} MiB of traces |",
        f"| figures | {', '.join(figures) or 'none'} |",
        f"| made with | commit `{result.versions.commit}`, QEMU {result.versions.qemu}, {result.versions.compiler} |",
        f"| SHA-256 of all trace hashes | `{traces}` |",
        "",
    ]
