"""What a page sends, checked again: anybody can send anything to a server."""

import math
from collections.abc import Sequence


def whole(name: str, value: object, least: int, most: int) -> int:
    """A whole number within limits; a float without a fraction is one, as browsers send them.

    Raises:
        ValueError: If it is none.
    """
    is_whole = type(value) is int or (type(value) is float and value.is_integer())
    if not is_whole or not least <= value <= most:  # type: ignore[operator]
        raise ValueError(
            f"{name}: {_shown(value)}. Type a whole number from {least:,} to {most:,}."
        )
    return int(value)  # type: ignore[call-overload]


def number(name: str, value: object, least: float, most: float) -> float:
    """A number within limits.

    Raises:
        ValueError: If it is none.
    """
    if type(value) not in (int, float) or math.isnan(value) or not least <= value <= most:  # type: ignore[arg-type, operator]
        raise ValueError(f"{name}: {_shown(value)}. Type a number from {least:g} to {most:g}.")
    return float(value)  # type: ignore[arg-type]


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    """One of some words.

    Raises:
        ValueError: If it is another.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: {_shown(value)}. Choose one of {', '.join(choices)}.")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
