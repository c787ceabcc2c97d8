import math

import pytest

from darkroom.schedules import Cosine, Linear, at

STRAIGHT = Linear(1.0, 0.1, of=1000, share=0.2)
CURVED = Cosine(1.0, 0.1, of=1000, share=0.2)


@pytest.mark.parametrize("schedule", [STRAIGHT, CURVED])
def test_a_way_begins_and_ends_where_it_says_and_stays_there(schedule) -> None:
    assert schedule(0) == 1.0
    assert schedule(100) == pytest.approx(0.55)  # half-way
    assert schedule(200) == schedule(10_000) == pytest.approx(0.1)


def test_the_ways_between_are_a_line_and_half_a_cosine() -> None:
    assert STRAIGHT(50) == pytest.approx(1 - 0.9 / 4)
    assert CURVED(50) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)


def test_a_plain_number_never_changes() -> None:
    assert at(0.3, 0) == at(0.3, 10**9) == 0.3
    assert at(STRAIGHT, 50) == STRAIGHT(50)


@pytest.mark.parametrize("share", [0, -1])
def test_a_way_that_takes_no_images_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"Cosine.share={share} of 1000 images"):
        Cosine(1.0, 0.1, of=1000, share=share)
