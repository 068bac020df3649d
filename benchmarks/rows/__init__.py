"""The rows of `make bench`, one module per subject.

Each module has `NAMES`, the names of its rows in order, and `rows(machine, quick)`, which yields
them; `quick` is a size at which the whole bench takes seconds and its figures mean nothing.
"""
