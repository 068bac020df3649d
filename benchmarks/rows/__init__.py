"""The rows of `make bench`, one module per subject.

Each module has `ROWS`: for every row's name the function that measures it, given the machine's
limits and `quick`, a size at which the whole bench takes seconds and its figures mean nothing.
It returns None, and says why, where the row cannot be measured here.
"""
