"""What is worth a word, and what is not."""

from typing import Any

import pytest

from darkroom.findings import findings
from darkroom.inspection import Inspection
from darkroom.intake.pack import Reading
from tests.inspected import found

READING = Reading((32, 32), 3)

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # what it says: facts with which it holds, and without
    "cannot be read": ({"broken": {"a.png": "cut"}}, {"broken": {}}, "a.png"),
    "both sides of the split": (
        {"similar": [["a.png", "b.png"]], "leaks": [["a.png", "b.png"]]},
        {"similar": [["a.png", "b.png"]]},
        "a.png",
    ),
    "share their pixels": (
        {"identical": [["a.png", "b.png"]], "similar": [["a.png", "b.png"]]},
        {"similar": [["a.png", "b.png"]]},
        "a.png",
    ),
    "files look like another": (
        {"identical": [["a.png", "b.png"]], "similar": [["a.png", "b.png", "c.png"]]},
        {"identical": [["a.png", "b.png"]], "similar": [["a.png", "b.png"]]},
        "c.png",
    ),
    "of one colour": ({"flat": ["a.png"]}, {"flat": []}, "a.png"),
    "use at most 12": (
        {"shallow": ["a.png"], "deep": 10_000},
        {"shallow": [], "deep": 10_000},
        "a.png",
    ),
    "files have more than 8 bits": ({"deep": 1}, {"deep": 10_000}, ""),
    "several frames": ({"animated": ["a.gif"]}, {"animated": []}, "a.gif"),
    "cropping cuts off": ({"lost": 0.21}, {"lost": 0.19}, ""),
    "of the images are smaller": ({"enlarged": 0.51}, {"enlarged": 0.49}, ""),
    "have transparency": ({"alpha": 0.1}, {"alpha": 0.0}, ""),
    "the largest class": ({"classes": {"a": 50, "b": 10}}, {"classes": {"a": 49, "b": 10}}, ""),
    "images are few": ({"images": 999}, {"images": 1000}, ""),
}


def said(facts: Inspection, reading: Reading = READING) -> list[str]:
    return [finding.what for finding in findings(facts, reading, "")]


def test_of_harmless_images_there_is_nothing_to_say() -> None:
    assert said(found()) == []


@pytest.mark.parametrize("case", CASES)
def test_a_finding_is_there_exactly_when_it_holds_and_names_files(case: str) -> None:
    facts, otherwise, name = CASES[case]
    (finding,) = [f for f in findings(found(**facts), READING, "") if case in f.what]
    assert finding.remedy
    assert any(name in group for group in finding.files) if name else finding.files == []
    assert [what for what in said(found(**otherwise)) if case in what] == []


def test_near_duplicates_are_not_shown_twice() -> None:
    facts = found(
        identical=[["a", "b"]],
        similar=[["c", "d", "e"], ["a", "b"], ["f", "g"]],
        leaks=[["f", "g"]],
    )
    leak, identical, similar = findings(facts, READING, "")
    assert (leak.files, identical.files) == ([["f", "g"]], [["a", "b"]])
    assert (similar.what, similar.files) == ("5 files look like another (2 groups)", [[*"cde"]])


@pytest.mark.parametrize(
    ("case", "facts", "reading"),
    [
        ("cropping cuts off", {"lost": 0.9}, Reading((32, 32), 3, fit="pad")),
        (
            "use at most 12",
            {"shallow": ["a"], "deep": 1},
            Reading((32, 32), 3, value_range="percentile"),
        ),
        ("have transparency", {"alpha": 1.0}, Reading((32, 32), 4)),
        ("lost in grey", {"coloured": 1.0}, READING),
        ("lost in grey", {"coloured": 0.0}, Reading((32, 32), 1)),
    ],
)
def test_what_the_reading_has_dealt_with_is_no_finding(
    case: str, facts: dict[str, Any], reading: Reading
) -> None:
    assert [what for what in said(found(**facts), reading) if case in what] == []


@pytest.mark.parametrize("channels", [1, 2])
def test_colours_that_are_lost_in_grey_are_a_finding(channels: int) -> None:
    what = said(found(coloured=0.3), Reading((32, 32), channels))
    assert what == ["30% of the images have colours that are lost in grey"]


@pytest.mark.parametrize(
    ("given", "test", "remedy"),
    [
        (True, 0, "too good. The split came with the images: move or remove some."),
        (True, 9, "too good. The split came with the images: move or remove some."),
        (False, 0, "too good. Do this."),
        (False, 9, "too good. Do this. What came as test stays so: move or remove that."),
    ],
)
def test_the_remedy_of_a_leak_depends_on_who_made_the_split(
    given: bool, test: int, remedy: str
) -> None:
    group = [["a", "b"]]
    splits = {"training": 10, "held out": 10, "test": test}
    facts = found(given_split=given, similar=group, leaks=group, splits=splits)
    leak, _ = findings(facts, READING, "Do this.")
    assert leak.remedy.endswith(remedy)


def test_the_most_serious_comes_first() -> None:
    what = said(found(broken={"a": "cut"}, leaks=[["b", "c"]], similar=[["b", "c"]], images=10))
    places = [next(k for k, text in enumerate(what) if case in text) for case in
              ("cannot be read", "both sides", "are few")]  # fmt: skip
    assert places == sorted(places)
    assert places[0] == 0


@pytest.mark.parametrize(
    ("facts", "remedy"),
    [
        ({"shape": (3, 48, 64), "sizes": [(48, 64)] * 3}, "Type data.resolution=[24,32]:"),
        ({"shape": (3, 32, 32), "sizes": [(32, 32)]}, "Type data.resolution=16:"),
        ({"shape": (3, 24, 32), "sizes": [(48, 64)]}, None),  # it was made small already
        ({"shape": (3, 24, 24), "sizes": [(24, 24)]}, None),  # 12 pixels are too few
        ({"shape": (3, 32, 32), "sizes": [(32, 32), (64, 64)]}, None),  # of several sizes
    ],
)
def test_enlarged_pixel_art_is_trained_at_the_size_it_was_drawn_in(
    facts: dict[str, Any], remedy: str | None
) -> None:
    said = [f.remedy for f in findings(found(block=2, **facts), READING, "") if "art" in f.what]
    assert [each.partition(" nothing")[0] for each in said] == ([remedy] if remedy else [])
