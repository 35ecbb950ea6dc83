# SPDX-License-Identifier: GPL-2.0-or-later
"""Several jobs at once, each waiting for programs; when one of us is ended, so are they all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from builder.running import stop_programs

T = TypeVar("T")


def side_by_side(jobs: Sequence[Callable[[], T]], workers: int) -> list[T]:
    """Call all jobs, at most `workers` of them at a time, and return their results in order.

    The first error of a job is raised once those that run have ended; no other job is begun then.
    An interrupt of the calling thread ends the programs that the jobs wait for (`run`), and lets
    no job start another.
    """
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            waiting = set(futures)
            while waiting:
                # A wait without end would not be interrupted by a signal's handler.
                done, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, Exception):
                with stop_programs():
                    pool.shutdown(wait=True)
            raise
    return [future.result() for future in futures]
