"""A figure as a page holds it: SVG with its text as text, and names of its own so that several stand in one page."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from html import escape

import matplotlib

from bulkhead.figures import style
from bulkhead.figures.caption import caption
from bulkhead.figures.draw import figure_of
from bulkhead.figures.spec import FigureSpec
from bulkhead.result import Result

LARGEST = 300_000  # bytes of an SVG; what is larger is a PNG
OWN_NAMES = re.compile(r'(\bid="|url\(#|href="#)')
ATTRIBUTE = re.compile(r'="[^"]*"')
FINE = re.compile(r"(\.\d)\d+")  # digits below a tenth of a point, which nobody sees
COMMAND = re.compile(r"\s*([MLHVCSQTAz])\s*")  # of a path
PATH = re.compile(r' d="[^"]*"')
INDENT = re.compile(r"\n\s*")
ID = re.compile(r' id="([^"]*)"')
USED = re.compile(r'(?:url\(|href=")#([^")]*)')
GROUP = re.compile(r"<g\b[^>]*>\n|</g>\n")
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
SIZE = re.compile(r'<svg [^>]*?width="([\d.]+)pt" [^>]*?viewBox="([^"]*)"[^>]*>', re.DOTALL)


@dataclass(frozen=True)
class Picture:
    """A figure in a page; `small` is the same, for the first screen."""

    name: str
    caption: str
    markup: str
    small: str


def picture(spec: FigureSpec, result: Result) -> Picture:
    """Drawn anew from the result."""
    text = caption(spec, result)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**style.RC, "svg.fonttype": "none"})
        figure, file = figure_of(spec, result), io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
        if len(file.getvalue()) > LARGEST:
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=150, metadata={"Software": None})
            source = base64.b64encode(file.getvalue()).decode()
            image = f'<img alt="{escape(text)}" src="data:image/png;base64,{source}">'
            return Picture(spec.name, text, image, "the figure")
    return _inline(spec.name, text, file.getvalue().decode("utf-8"))


def _without_bare_groups(svg: str) -> str:
    """The same drawing without groups that have no attribute."""
    kept: list[bool] = []

    def one(found: re.Match[str]) -> str:
        if found[0] == "</g>\n":
            return found[0] if kept.pop() else ""
        if not found[0].endswith("/>\n"):
            kept.append(found[0] != "<g>\n")
        return "" if found[0] in ("<g>\n", "<g/>\n") else found[0]

    return GROUP.sub(one, svg)


def _inline(name: str, text: str, svg: str) -> Picture:
    svg = ATTRIBUTE.sub(lambda found: FINE.sub(r"\1", found[0]), METADATA.sub("", svg))
    svg = PATH.sub(lambda found: ' d="' + COMMAND.sub(r"\1", found[0][4:]), svg)
    svg, used = INDENT.sub("\n", svg), set(USED.findall(svg))
    svg = ID.sub(lambda found: found[0] if found[1] in used else "", svg)
    svg = _without_bare_groups(svg[svg.index("<svg") :])
    for number, one in enumerate(sorted(used, key=len, reverse=True)):
        svg = svg.replace(f'id="{one}"', f'id="{number}"').replace(f"#{one}", f"#{number}")
    svg = OWN_NAMES.sub(rf"\g<1>{name}-", svg)
    found = SIZE.match(svg)
    assert found is not None, "matplotlib writes width and viewBox"
    width, box = found.groups()
    root = (
        f'<svg id="{name}" role="img" aria-label="{escape(text)}" viewBox="{box}" '
        f'style="max-width:{1.5 * float(width):.0f}px">'
    )
    small = f'<svg class="small" aria-hidden="true" viewBox="{box}"><use href="#{name}"/></svg>'
    return Picture(name, text, root + svg[found.end() :], small)
