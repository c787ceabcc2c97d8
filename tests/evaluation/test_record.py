"""What an evaluation leaves behind is what was measured, and says how."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from darkroom.diagnosis.finding import Finding
from darkroom.evaluation.record import Evaluation, Number, Protocol, read
from darkroom.metrics.features import Instrument
from darkroom.metrics.originality import Originality

NAN = math.nan
PROTOCOL = Protocol(
    instrument=Instrument("thumbnail", "", "8x8"),
    samples=100,
    first_seed=0,
    split="training",
    reference=90,
    searched=90,
    held_out=10,
    data="abc",
    versions={"torch": "2.0", "torchvision": "0.1"},
)
ORIGINALITY = Originality(
    features="lite0",
    samples=100,
    accused=0.02,
    expected=0.01,
    copied=0.01,
    interval=(0.0, 0.05),
    c_t=-0.5,
    authentic=0.5,
    authentic_floor=0.4,
    pairs=[(3, 7, 0.25), (1, 2, 0.5)],
    verdict="No sign of copying.",
)
FINDING = Finding("collapse", "it shows", "a cause", {"a.b=1": "a reason"}, ("loss/a", "loss/b"), 3)
EVALUATION = Evaluation(
    subject="outputs/a run",
    images_seen=64,
    checkpoint="f00",
    protocol=PROTOCOL,
    numbers={
        "fd_thumbnail": Number(1.25, "lower"),
        "kid_thumbnail": Number(0.1, "lower", 0.01, 0.001),
    },
    latents={"rate": Number(3.5, "neither", 0.1)},
    notes=("One sentence.", "Another."),
    classes={"seven": {"share": Number(0.1, "neither", None, 0.12)}},
    originality=ORIGINALITY,
    findings=(FINDING,),
    cost={"training_images": 64.0},
)


def test_what_was_written_is_read_again_to_the_last_digit(tmp_path: Path) -> None:
    EVALUATION.write(tmp_path / "below" / "metrics.json")
    assert read(tmp_path / "below" / "metrics.json") == EVALUATION
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["metrics.json"]


def test_a_folder_s_evaluation_without_a_training_is_read_again(tmp_path: Path) -> None:
    bare = Evaluation("images", None, "", PROTOCOL, {"fd_thumbnail": Number(1.0, "lower")})
    bare.write(tmp_path / "metrics.json")
    assert read(tmp_path / "metrics.json") == bare


def test_what_is_no_number_is_null_on_the_disk_and_none_of_it_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    replace(
        EVALUATION,
        numbers={"kid": Number(NAN, "lower", math.inf, NAN)},
        originality=replace(ORIGINALITY, c_t=NAN, interval=(NAN, 1.0), pairs=[(0, 1, NAN)]),
        cost={"training_seconds": math.inf},
    ).write(path)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(path.read_text(), parse_constant=refuse)["numbers"]["kid"] == {
        "value": None,
        "better": "lower",
        "error": None,
        "floor": None,
    }
    again = read(path)
    assert again.numbers.keys() == {"kid"}
    assert math.isnan(again.numbers["kid"].value)
    assert again.numbers["kid"].error is again.numbers["kid"].floor is None
    assert math.isnan(again.cost["training_seconds"])
    assert again.originality is not None
    assert math.isnan(again.originality.c_t)
    assert math.isnan(again.originality.interval[0])
    assert again.originality.interval[1] == 1
    assert math.isnan(again.originality.pairs[0][2])


def test_a_new_evaluation_replaces_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    EVALUATION.write(path)
    later = replace(EVALUATION, images_seen=128)
    later.write(path)
    assert read(path) == later


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '{"protocol": 3}',
        '{"protocol": {"instrument": {"name": "x"}}}',
        '{"protocol": {"instrument": {"name": "x", "weights": "", "form": "", "more": 1}}}',
    ],
)
def test_what_is_no_evaluation_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(
        ValueError, match=r"metrics\.json is no evaluation of this version .*Delete"
    ):
        read(path)


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("numbers", []),
        ("numbers", {"kid": 3}),
        ("numbers", {"kid": {"value": 1.0}}),
        ("latents", None),
        ("classes", {"a": None}),
        ("findings", [{"name": "x"}]),
        ("originality", {"pairs": [[1]]}),
        ("cost", 3),
    ],
)
def test_an_evaluation_with_a_part_of_another_form_is_refused(
    key: str, other: object, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.json"
    EVALUATION.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: other}))
    with pytest.raises(ValueError, match="is no evaluation of this version"):
        read(path)


def test_no_text_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is no evaluation of this version"):
        read(tmp_path / "metrics.json")


def test_equal_protocols_do_not_differ() -> None:
    again = replace(PROTOCOL, versions=dict(reversed(PROTOCOL.versions.items())))
    assert PROTOCOL.differences(again) == []
    assert again == PROTOCOL


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples": 50}, "samples: 100 and 50"),
        ({"first_seed": 7}, "first_seed: 0 and 7"),
        ({"split": "test"}, "split: training and test"),
        ({"data": "xyz"}, "data: abc and xyz"),
        ({"instrument": Instrument("lite0", "", "8x8")}, "instrument.name: thumbnail and lite0"),
        ({"versions": {"torch": "2.0"}}, "versions.torchvision: 0.1 and None"),
    ],
)
def test_a_difference_is_named_with_both_values(change: dict[str, object], said: str) -> None:
    other = replace(PROTOCOL, **change)  # type: ignore[arg-type]
    assert PROTOCOL.differences(other) == [said]
    assert len(other.differences(PROTOCOL)) == 1
    assert other.digest != PROTOCOL.digest


def test_all_differences_are_named_in_order() -> None:
    other = replace(PROTOCOL, samples=5, held_out=4)
    assert PROTOCOL.differences(other) == ["held_out: 10 and 4", "samples: 100 and 5"]


def test_the_digest_survives_the_disk(tmp_path: Path) -> None:
    EVALUATION.write(tmp_path / "metrics.json")
    assert read(tmp_path / "metrics.json").protocol.digest == PROTOCOL.digest
