"""Errors that the command line tells apart, where they can be imported without what raises them."""

from __future__ import annotations


class NotebookError(RuntimeError):
    """A notebook did not run to its end; the message says which, where and why."""
