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
FINE = re.compile(r"(\.\d\d)\d+")  # digits below a hundredth of a point, which nobody sees
INDENT = re.compile(r"\n\s*")
ID = re.compile(r' id="([^"]*)"')
USED = re.compile(r'(?:url\(|href=")#([^")]*)')
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


def _inline(name: str, text: str, svg: str) -> Picture:
    svg = ATTRIBUTE.sub(lambda found: FINE.sub(r"\1", found[0]), METADATA.sub("", svg))
    svg, used = INDENT.sub("\n", svg), set(USED.findall(svg))
    svg = ID.sub(lambda found: found[0] if found[1] in used else "", svg)
    svg = OWN_NAMES.sub(rf"\g<1>{name}-", svg[svg.index("<svg") :])
    found = SIZE.match(svg)
    assert found is not None, "matplotlib writes width and viewBox"
    width, box = found.groups()
    root = (
        f'<svg id="{name}" role="img" aria-label="{escape(text)}" viewBox="{box}" '
        f'style="max-width:{1.5 * float(width):.0f}px">'
    )
    small = f'<svg class="small" aria-hidden="true" viewBox="{box}"><use href="#{name}"/></svg>'
    return Picture(name, text, root + svg[found.end() :], small)
