"""Work on what strangers sent, apart: in a process that is ended when it takes too long or too much memory.

Libraries that read calendars can be kept busy for hours, or made to fill the memory, by a few hundred bytes.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MEMORY = 1 << 30  # bytes of address space


class GaveUp(Exception):
    """It took too long or too much memory."""


def run(seconds: float, work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """What `work`, a module's function, returns or raises for these values. Raises GaveUp after so many seconds."""
    # A server that has the module loaded forks for each call: as quick as a fork, with none of our threads and locks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, seconds, work, args, kwargs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            raise GaveUp
        is_done, found = ours.recv()
    except EOFError:
        raise GaveUp from None
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
    if not is_done:
        raise found
    result: R = found
    return result


def _work(answer: Connection, seconds: float, work: Callable[..., Any], args: Any, kwargs: Any) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    try:
        found = (True, work(*args, **kwargs))
    except MemoryError:
        return
    except Exception as error:
        found = (False, error)
    answer.send(found)
