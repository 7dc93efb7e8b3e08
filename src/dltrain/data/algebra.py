"""Small problems of linear algebra in NumPy and SciPy, on one thread."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def on_one_thread() -> AbstractContextManager[object]:
    """Returns a context in which products and decompositions of matrices take one thread.

    Where they are small, several threads wait for each other, for up to twenty times as long as one takes.
    """
    limit: AbstractContextManager[object] = _controller("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas")
    return limit


@cache
def _controller(scipy: bool) -> Any:
    """Returns what controls the threads of the libraries that are loaded, those of SciPy among them or not yet."""
    from threadpoolctl import ThreadpoolController  # which scikit-learn brings along

    return ThreadpoolController()
