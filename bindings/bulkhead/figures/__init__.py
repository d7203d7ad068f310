"""Figures from result files. Nothing here looks at a run, a trace or the clock: the JSON is all there is."""

from bulkhead.figures.draw import draw_figures
from bulkhead.figures.spec import Bars, Course, FigureSpec, Ideal, Lines, Panel, Quantity, Reference

__all__ = ["Bars", "Course", "FigureSpec", "Ideal", "Lines", "Panel", "Quantity", "Reference", "draw_figures"]
