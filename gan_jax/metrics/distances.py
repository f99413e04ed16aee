"""Euclidean distances between many vectors, and how far rounding may have moved them.

All at once they are |x|^2 + |y|^2 - 2 xy, by a product of matrices, which is many times
as fast as one difference after the other. Rounding leaves of equal distances unequal
ones, and of 0 something else, depending on where in its matrix a vector stands: a tie
is told by the bound of the rounding alone.
"""

from collections.abc import Iterator

import numpy as np

_MEBIBYTES = 64  # of distances at a time


def squared_distances(x, y) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """(rows, squares, rounding) until all rows of x [n, d] had their turn.

    squares:  of the distances from these rows of x to y [m, d], float64 [rows, m]
    rounding: no square is farther from what it is exactly than this, [rows, m]
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    centre = y.mean(axis=0)  # what lies far from 0 would lose digits
    x, y = x - centre, y - centre
    x_squares, y_squares = (np.einsum("ij,ij->i", z, z) for z in (x, y))
    # of a sum of d products, and of the few operations beside it
    bound = (x.shape[1] + 4) * np.finfo(np.float64).eps
    step = max(1, _MEBIBYTES * 2**20 // (8 * len(y)))
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        sums = x_squares[rows, np.newaxis] + y_squares
        yield rows, sums - 2 * (x[rows] @ y.T), bound * sums
