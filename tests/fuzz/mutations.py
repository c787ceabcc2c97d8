"""Bytes with something wrong in them."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st


def few_or_many(few: int, many: int) -> pytest.MarkDecorator:
    """How many examples a test takes: few each time, many where there is time."""
    counts = [few, pytest.param(many, marks=pytest.mark.slow)]
    return pytest.mark.parametrize("examples", counts)


def bounded(examples: int) -> settings:
    """The same examples every time, however slow the machine."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # what fails is shown as it is: to shorten it takes minutes
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """A file with bits flipped, bytes put in or taken out, a part of it elsewhere, or its end cut.

    Beginnings are hit as often as all the rest: that is where headers are.
    """
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        end = draw(st.sampled_from([min(len(data), 64), len(data)]))
        place = draw(st.integers(0, max(0, end - 1)))
        match draw(st.sampled_from(["flip", "set", "cut", "insert", "remove", "splice"])):
            case "flip" if data:
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "set" if data:
                some = draw(st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0"]))
                data[place : place + len(some)] = some
            case "cut":
                del data[place:]
            case "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=16))
            case "remove":
                del data[place : place + draw(st.integers(1, 32))]
            case "splice":
                start = draw(st.integers(0, max(0, len(data) - 1)))
                part = data[start : start + draw(st.integers(1, 64))]
                data[place : place + len(part)] = part
    return bytes(data)
