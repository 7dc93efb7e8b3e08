"""Linear algebra on one thread."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from dltrain.data.algebra import on_one_thread


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_algebra_takes_one_thread_inside_the_block_alone() -> None:
    assert np.linalg.eigvalsh(np.eye(2)).tolist() == scipy.linalg.eigvalsh(np.eye(2)).tolist()  # loads both libraries
    with threadpool_limits(2, user_api="blas"):
        assert threads() == {2}
        for _ in range(2):
            with on_one_thread():
                assert threads() == {1}
            assert threads() == {2}
