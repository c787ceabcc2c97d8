"""A measured number and how well it is known."""

from typing import NamedTuple


class Estimate(NamedTuple):
    """A number with its uncertainty.

    Attributes:
        value: The number.
        error: Its standard error; None where there is too little to tell.
    """

    value: float
    error: float | None
