"""The report: one file that needs nothing else, with every point and every metric of the results in it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from bulkhead.base.errors import BulkheadError
from bulkhead.experiment.draw import declared
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import make_plan
from bulkhead.report import write_report
from bulkhead.report.answer import answer, command
from bulkhead.result import Result, read_result
from test_figures import REFERENCES, result_file

CHROMIUM = shutil.which("chromium")
NAMES = ("theft_of_service", "noisy_neighbour")
PAGE_BYTES = 100_000  # for each experiment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    for name in NAMES:
        result_file(name, path)
    write_report(path)
    return path


@pytest.fixture(scope="module")
def results(folder: Path) -> list[Result]:
    return [read_result(folder / f"{name}.json") for name in NAMES]


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return unescape((folder / "report.html").read_text())


def test_one_page_holds_figures_metrics_and_ledger(text: str, results: list[Result]) -> None:
    assert "http" not in text, "nothing is fetched from elsewhere"
    for result in results:
        for name, row in result.metrics.items():
            assert f"<b>{name}</b>" in text and row.help in text
        assert all(point.trace_sha256[:12] in text for point in result.points)
    assert "exact (deterministic)" in text and "slice 5000" in text


def test_the_first_screen_has_question_answer_and_a_figure_that_leads_on(
    text: str, results: list[Result]
) -> None:
    head = text[: text.index("</header>")]
    for result in results:
        assert result.question in head and f'href="#section-{result.experiment}"' in head
        assert f'<use href="#{declared(result)[0].name}"/>' in head
        assert answer(declared(result)[0], result) in head
    assert f"Commit {results[0].versions.commit[:12]}" in head and "<table" not in head


def test_figures_are_svg_with_text_and_a_text_instead(text: str, results: list[Result]) -> None:
    for result in results:
        (spec,) = declared(result)
        figure = text[text.index(f'<svg id="{spec.name}"') :]
        figure = figure[: figure.index("</figure>")]
        assert f'aria-label="{spec.caption}' in figure and "<text" in figure
        assert command(result, find(result.experiment)) in figure
    names = re.findall(r'\bid="([^"]+)"', text)
    assert len(names) == len(set(names)), "names are unique in the page"
    wanted = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    assert wanted <= set(names)


def test_tables_are_folded(text: str) -> None:
    outside = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert "<table" in text and "<table" not in outside


def test_the_answer_is_that_of_the_numbers(results: list[Result]) -> None:
    noisy = results[1]
    (spec,) = declared(noisy)
    points = {
        p.levels["sched"]: p.metrics["latency"]["p99"]
        for p in noisy.where({"victim": "responder", "hogs": 4})
    }
    least, most = min(points, key=lambda name: points[name]), max(points, key=lambda name: points[name])
    said = answer(spec, noisy)
    assert (
        said.startswith("At hogs 4, ")
        and f"is least with {least} (" in said
        and f"greatest with {most} (" in said
    )
    silent = replace(noisy, points=[replace(p, metrics={**p.metrics, "latency": None}) for p in noisy.points])
    assert "has an answer" in answer(spec, silent) or answer(spec, silent) != said


@pytest.mark.parametrize("name", NAMES)
def test_the_command_plans_the_same_points(name: str, results: list[Result]) -> None:
    result = next(one for one in results if one.experiment == name)
    words = shlex.split(command(result, find(name)))
    assert words[:3] == ["./bulkhead", "run", name] and "--quick" in words
    sets = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    names = list(result.factors["sched"].values)
    plan = make_plan(find(name), True, sets, lambda kind: [str(one) for one in names])
    assert [dict(point.levels) for point in plan.points] == [point.levels for point in result.points]
    assert {k: v for k, v in plan.settings.items()} == {k: row.value for k, row in result.settings.items()}


def test_the_page_of_all_references_is_small(tmp_path: Path) -> None:
    for path in REFERENCES:
        shutil.copy(path, tmp_path)
    assert write_report(tmp_path).stat().st_size < PAGE_BYTES * len(REFERENCES)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_a_browser_shows_it_without_an_error(folder: Path, tmp_path: Path) -> None:
    for width in (1200, 400):
        words = [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ]
        words += [
            f"--user-data-dir={tmp_path}/profile",
            f"--window-size={width},1200",
            "--enable-logging=stderr",
        ]
        picture = tmp_path / f"{width}.png"
        words += [f"--screenshot={picture}", f"file://{folder}/report.html"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=300).stderr
        assert picture.stat().st_size > 10_000 and "CONSOLE" not in said, said


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BulkheadError, match="holds no result"):
        write_report(tmp_path)


SORTED = """<script>
document.querySelector("th").click();
document.title = [...document.querySelectorAll("tr")].map(row => row.cells[0].textContent).join();
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_a_click_on_a_head_sorts_the_table(folder: Path, tmp_path: Path) -> None:
    page = (folder / "report.html").read_text()
    script = page[page.rindex("<script>") : page.rindex("</script>") + len("</script>")]
    rows = "".join(f"<tr><td>{number}</td></tr>" for number in ("1,000", "30", "7"))
    (tmp_path / "page.html").write_text(f"<table><tr><th>n</th></tr>{rows}</table>{script}{SORTED}")
    words = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/profile",
    ]
    words += ["--dump-dom", f"file://{tmp_path}/page.html"]
    said = subprocess.run(words, capture_output=True, text=True, timeout=300).stdout
    assert "<title>n,7,30,1,000</title>" in said, said
