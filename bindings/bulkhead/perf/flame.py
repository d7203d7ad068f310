"""Draws stacks as a flame graph: one SVG file that needs nothing else, readable in black and white.

The idea is Gregg's ("The flame graph", CACM 2016): a frame is as wide as its part of the samples, callers below callees,
neighbours in alphabetical order; the horizontal axis is not time.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from html import escape

from bulkhead.perf.stacks import Stacks

WIDTH, ROW, MARGIN = 1200, 17, 12
LETTER = 6.6  # width of one
LEAST = 0.3  # narrower frames are left out
TOP = 64


@dataclass
class _Node:
    count: int = 0
    inner: dict[str, _Node] = field(default_factory=dict)


def _tree(stacks: Stacks) -> _Node:
    root = _Node()
    for stack, count in stacks.counts.items():
        node = root
        node.count += count
        for frame in stack:
            node = node.inner.setdefault(frame, _Node())
            node.count += count
    return root


def _depth(node: _Node) -> int:
    return 1 + max((_depth(child) for child in node.inner.values()), default=0)


def _colour(name: str) -> str:
    """The same for a function in every picture: light, so that black letters stand out."""
    shade = zlib.crc32(name.encode()) % 64
    if name.startswith("["):
        return f"rgb({190 + shade // 2},{190 + shade // 2},{190 + shade // 2})"
    return f"rgb({225 + shade % 30},{160 + shade},{90 + shade})"


def _frames(name: str, node: _Node, left: float, level: int, scale: float, floor: float) -> list[str]:
    """A frame and all above it."""
    width = node.count * scale
    if width < LEAST:
        return []
    y = floor - (level + 1) * ROW
    letters = int((width - 4) / LETTER)
    shown = "" if letters < 3 else name if len(name) <= letters else f"{name[: letters - 2]}.."
    part = node.count * scale / (WIDTH - 2 * MARGIN)
    words = [
        f"<g><title>{escape(name)}: {node.count} samples, {part:.2%}</title>",
        f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{_colour(name)}"/>',
        f'<text x="{left + 3:.1f}" y="{y + 12}">{escape(shown)}</text></g>' if shown else "</g>",
    ]
    for inner, child in sorted(node.inner.items()):
        words += _frames(inner, child, left, level + 1, scale, floor)
        left += child.count * scale
    return words


def draw(stacks: Stacks, title: str, notes: str) -> str:
    """The picture as SVG. `notes` is the line below the title: what was sampled, and what could not be."""
    root = _tree(stacks)
    height = TOP + _depth(root) * ROW + MARGIN
    scale = (WIDTH - 2 * MARGIN) / max(root.count, 1)
    style = "text{font:11px monospace}.t{font:bold 15px sans-serif}.n{font:12px sans-serif}g:hover rect{stroke:#000}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}">',
            f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>',
            f'<text class="t" x="{MARGIN}" y="24">{escape(title)}</text>',
            f'<text class="n" x="{MARGIN}" y="44">{escape(notes)}</text>',
            *_frames("all", root, MARGIN, 0, scale, height - MARGIN),
            "</svg>",
            "",
        ]
    )
