"""Published numbers, tables, judged claims and figures.

Everything here is a function of results on disk, arrays or data frames. No model, no GPU.
"""
