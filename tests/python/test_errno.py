"""docs/errno.md says what the guest tests check, row by row."""

from pathlib import Path

from errnos import tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errno.md"


def test_the_page_has_exactly_the_tested_rows() -> None:
    lines = PAGE.read_text().splitlines()
    documented = [line for line in lines if line.startswith("| `") and line.count("|") == 4]
    tested = [row for group in ("memory", "grants", "events", "vcpus", "wide") for row in tables()[group]]
    assert len(tested) > 140
    assert documented == tested


def test_every_row_of_the_sources_is_read() -> None:
    sources = sorted((Path(__file__).resolve().parents[1] / "guest").glob("errno_*.cpp"))
    answers = sum(source.read_text().count("BULKHEAD_") for source in sources)
    assert answers == sum(len(group) for group in tables().values())
