"""Policies: the tables of the built ones, those written in Python, and the scaffold of a new one."""
