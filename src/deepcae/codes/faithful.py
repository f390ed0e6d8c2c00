"""Are neighbours among the codes also neighbours among the images, and the reverse?"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .measure import NEIGHBOURS, finite_rows


def trustworthiness(images: np.ndarray, codes: np.ndarray, k: int = NEIGHBOURS) -> float:
    """T = 1 - 2 / (n k (2n - 3k - 1)) * sum_i sum_{j in U_i} (r(i, j) - k);  1: no neighbour in the codes is false.

    U_i: of the k codes nearest to code i those whose images are not among the k nearest of image i; r(i, j): the rank
    of image j by its distance from image i, from 1. images (n, ...), codes (n, ...), Euclidean distance; memory grows
    with n^2. scikit-learn computes it; DataError unless k < n / 2.
    Source: Venna and Kaski 2001.
    """
    from sklearn.manifold import trustworthiness as computed

    first, second = finite_rows(images), finite_rows(codes)
    if len(first) != len(second):
        raise DataError(f"each image needs one code; given are {len(images)} of the one and {len(codes)} of the other")
    if not 1 <= k < len(first) / 2:
        raise DataError(f"neighbourhoods of {k} need more than {2 * k} codes; there are {len(first)}")
    return float(computed(first, second, n_neighbors=k))


def continuity(images: np.ndarray, codes: np.ndarray, k: int = NEIGHBOURS) -> float:
    """C: `trustworthiness` with the two spaces swapped;  1: no neighbours among the images were torn apart.

    C = 1 - 2 / (n k (2n - 3k - 1)) * sum_i sum_{j in V_i} (s(i, j) - k), V_i: of the k images nearest to image i those
    whose codes are not among the k nearest of code i; s(i, j): the rank of code j by its distance from code i.
    Source: Venna and Kaski 2001.
    """
    return trustworthiness(codes, images, k)
