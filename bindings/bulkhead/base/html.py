"""A table for a notebook. Draws from what it is given alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

MS = 1e-6  # of a nanosecond
MOST_ROWS = 30


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> str:
    """An HTML table; every cell is escaped."""
    cells = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    left = len(cells) - MOST_ROWS
    body = "".join(f"<tr>{row}</tr>" for row in cells[:MOST_ROWS])
    more = f"<p>{left} more rows</p>" if left > 0 else ""
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    return (
        f"<h4>{escape(title)}</h4><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{more}"
        f"<p>{escape(note)}</p>"
    )
