"""Figures: declared by experiments (`spec`), drawn from result files alone (`draw`, which loads matplotlib)."""

from bulkhead.figures.spec import Bars, Course, FigureSpec, Heat, Ideal, Lines, Panel, Quantity, Reference

__all__ = ["Bars", "Course", "FigureSpec", "Heat", "Ideal", "Lines", "Panel", "Quantity", "Reference"]
