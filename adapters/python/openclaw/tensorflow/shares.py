"""Shares: how the rows of one batch are split over the members."""

import numpy as np


def of_rows(height, members):
    """-> one array of row numbers for each member, as equal as they can be; never an empty one: rows are then given twice."""
    rows = np.arange(height)
    if height < members:
        rows = np.resize(rows, members)
    return np.array_split(rows, members)
