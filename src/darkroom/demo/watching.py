"""How far a computation has come, and its end if it takes too long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from torch import nn

Report = Callable[[float], None]
"""Is told of progress, from 0 to 1."""

SECONDS = 120.0  # after which others should have their turn


@contextmanager
def watched(
    generator: nn.Module, calls: int, report: Report, seconds: float = SECONDS
) -> Iterator[None]:
    """Reports each time that a generator is called, while it computes within.

    Args:
        generator: What is called.
        calls: How often it will be, about.
        report: Is told which share is done.
        seconds: How long it may take.

    Raises:
        ValueError: If it takes longer.
    """
    done, end = 0, monotonic() + seconds

    def count(*_: Any) -> None:
        nonlocal done
        done += 1
        report(min(1.0, done / calls))
        if monotonic() > end:
            raise ValueError(
                f"It took longer than {seconds:g} seconds and was stopped. Choose fewer steps."
            )

    handle = generator.register_forward_hook(count)
    try:
        yield
    finally:
        handle.remove()
