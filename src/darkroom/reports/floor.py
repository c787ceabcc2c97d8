"""A number beside its floor: what unseen real images get in the samples' place."""

import math

from markupsafe import Markup

from darkroom.evaluation.record import Number
from darkroom.evaluation.wording import family_of, label_of, percent, rounded, shown
from darkroom.reports import chart

SHARES = {  # numbers that are a share of images, in words
    "precision": "{value} of the samples lie where real images lie; of unseen real images, "
    "{floor} do.",
    "recall": "The samples reach {value} of what real images show; unseen real images reach "
    "{floor}.",
    "coverage": "{value} of the real images have a sample close by; with unseen real images in "
    "the samples' place, {floor} do.",
}


def known(number: Number) -> float | None:
    """The floor, where there is one."""
    return number.floor if number.floor is not None and math.isfinite(number.floor) else None


def reached(number: Number) -> bool:
    """Whether chance could have made the difference between it and its floor."""
    floor = known(number)
    if floor is None or number.error is None or not math.isfinite(number.error):
        return False
    gain = number.value - floor
    return (gain if number.better == "lower" else -gain) <= 2 * number.error


def in_words(name: str, number: Number) -> str:
    """A number and its floor, as somebody would say them."""
    floor, sentence = known(number), SHARES.get(family_of(name))
    if floor is not None and sentence is not None:
        return sentence.format(value=percent(number.value), floor=percent(floor))
    real = "" if floor is None else f"; unseen real images get {rounded(floor)}"
    return f"{label_of(name)} is {shown(number)}{real}."


def in_brackets(number: Number) -> str:
    """A number with its error, and its floor in brackets."""
    floor = known(number)
    return shown(number) + ("" if floor is None else f" ({rounded(floor)})")


def picture(name: str, number: Number) -> Markup:
    """Both on an axis from 0; nothing where there is nothing beside the number."""
    floor = known(number)
    if floor is None or not math.isfinite(number.value):
        return Markup("")
    bounds = [0.0, 1.0] if family_of(name) in SHARES else [0.0]
    errors = [number.error] if number.error is not None else []
    reach = [number.value + sign * 2 * error for error in errors for sign in (-1, 1)]
    return chart.whisker(number, chart.Axis([*bounds, number.value, floor, *reach], margin=0.04))
