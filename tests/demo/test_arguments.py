"""Anybody can send anything: it is a number within limits, or refused by name."""

import pytest

from darkroom.demo.arguments import number, one_of, whole


@pytest.mark.parametrize("value", [0, 65, -1, 1.5, True, None, "8", [8], {}, 1e308, float("nan")])
@pytest.mark.promise(
    "The page is sent a number out of its range, or something that is no number",
    "It is refused with the control's name and its range, before a model computes.",
)
def test_what_is_no_whole_number_within_limits_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"Images: .* whole number from 1 to 64"):
        whole("Images", value, 1, 64)


@pytest.mark.parametrize("value", [-3.1, float("inf"), float("nan"), False, None, "1", [1.0]])
def test_what_is_no_number_within_limits_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"Truncation: .* number from -3 to 3"):
        number("Truncation", value, -3, 3)


@pytest.mark.parametrize("value", ["", "b", None, 0, ["a"], "../../etc/passwd"])
def test_another_word_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="Choose one of a, c"):
        one_of("Class", value, ("a", "c"))


def test_what_is_allowed_comes_back() -> None:
    assert (whole("n", 8.0, 1, 8), number("t", 2, 0, 2), one_of("c", "a", "a")) == (8, 2.0, "a")


def test_an_endless_value_is_not_repeated_in_full() -> None:
    with pytest.raises(ValueError, match=r"\.\.\.") as refused:
        whole("Images", "x" * 10_000, 1, 64)
    assert len(str(refused.value)) < 200
