"""The page of a judgement answers, runs nothing, fetches nothing, and shows strangers' names."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from darkroom.evaluation.record import Evaluation, Number, read
from darkroom.reports import Judgement
from darkroom.reports.judgement import over_and_under
from tests.reports.synthetic import (
    FINDING,
    LOST,
    curve,
    curves,
    evaluation,
    exhibits,
    latent,
    numbers,
    originality,
    pixels,
)
from tests.reports.test_page import opened
from tests.reports.test_preparation import Page

NAN = float("nan")
EVIL = "<img src=x onerror=alert(1)>"
ALLOWED = {"meta", "title", "style", "html", "head", "body", "table", "thead", "tbody", "tr", "td",
           "th", "h1", "h2", "h3", "p", "pre", "code", "strong", "div", "figure", "figcaption",
           "img", "span", "i", "svg", "desc", "line", "circle", "polyline", "polygon",
           "text"}  # fmt: skip


def written(judgement: Judgement, to: Path) -> tuple[Page, dict[str, Any]]:
    judgement.write(to)
    facts = json.loads((to / "metrics.json").read_text(), parse_constant=_no_json)
    return Page((to / "report.html").read_text(encoding="utf-8")), facts


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def harmless(path: Path, page: Page) -> None:
    """Fails on whatever runs or fetches something."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|javascript:", text.lower())
    assert {tag for tag, _ in page.tags} <= ALLOWED
    assert not [name for _, given in page.tags for name in given if name.startswith("on")]
    assert not [name for _, given in page.tags for name in given if name in ("href", "xlink:href")]
    assert all(source.startswith("data:image/png;base64,") for source in page.sources())


def hostile() -> tuple[Evaluation, dict[str, Any]]:
    """An evaluation in which every name is a stranger's."""
    judged = evaluation(
        EVIL,
        numbers={**numbers(), f"kid_{EVIL}": Number(1.0, EVIL)},
        notes=(EVIL,),
        classes={EVIL: {EVIL: Number(0.5, "higher", 0.1)}},
        originality=replace(originality(), verdict=EVIL),
        findings=(
            replace(
                FINDING, name=EVIL, evidence=EVIL, cause=EVIL, remedies={EVIL: EVIL}, curves=(EVIL,)
            ),
        ),
        cost={EVIL: 1.0},
    )
    return judged, {EVIL: curve([1, 2]), f"loss/{EVIL}": curve([1, 2])}


def test_a_page_runs_nothing_and_shows_names_as_they_are(tmp_path: Path) -> None:
    judged, logged = hostile()
    shown = exhibits(n=24, classes={EVIL: pixels(24)}, pairs=pixels(24))
    page, _ = written(Judgement(judged, shown, logged, command=EVIL), tmp_path)
    harmless(tmp_path / "report.html", page)
    assert page.text.count(EVIL) > 12


def test_what_was_written_can_be_read_again(tmp_path: Path) -> None:
    judged = latent(findings=(FINDING,), classes={"a": {"share": Number(0.1, "neither")}})
    Judgement(judged, exhibits()).write(tmp_path)
    again = read(tmp_path / "metrics.json")
    assert again.numbers == judged.numbers
    assert again.findings == judged.findings
    assert again.originality is not None
    assert again.originality.interval == (0.0, 0.01)


def test_what_is_no_number_is_null_in_json_and_a_dash_on_the_page(tmp_path: Path) -> None:
    judged = evaluation(
        numbers={"kid_lite0": Number(NAN, "lower", math.inf, NAN)},
        originality=originality(NAN, NAN, NAN),
        cost={"training_seconds": NAN},
    )
    page, facts = written(Judgement(judged, exhibits(), {"a": curve([NAN])}), tmp_path)
    assert facts["numbers"]["kid_lite0"]["value"] is None
    assert facts["cost"]["training_seconds"] is None
    assert "was not measured" in page.text
    assert "nan" not in page.text.lower().replace("named", "")
    again = read(tmp_path / "metrics.json")
    assert math.isnan(again.numbers["kid_lite0"].value)
    assert math.isnan(again.cost["training_seconds"])
    assert again.originality is not None
    assert math.isnan(again.originality.copied)
    assert all(map(math.isnan, again.originality.interval))


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (
            Number(0.012, "lower", 0.001, 0.0003),
            "The samples can be told from real images: KID (lite0) is 0.0120 ± 0.0010; unseen "
            "real images get 0.0003.",
        ),
        (
            Number(0.001, "lower", 0.001, 0.0003),
            "By this measure the samples cannot be told from real images: KID (lite0) is 0.0010 ± "
            "0.0010; unseen real images get 0.0003.",
        ),
        (
            Number(0.012, "lower", None, 0.0003),
            "KID (lite0) is 0.012; unseen real images get 0.0003. How exact that is, is not known.",
        ),
        (
            Number(0.012, "lower", 0.001),
            "KID (lite0) is 0.0120 ± 0.0010; what real images would get is not known.",
        ),
        (Number(NAN, "lower"), "How good the samples are was not measured."),
    ],
)
def test_the_headline_says_how_good_it_is(number: Number, sentence: str) -> None:
    judged = evaluation(numbers={"kid_lite0": number})
    assert Judgement(judged, exhibits()).headline == sentence


def test_the_four_answers_are_drawn_from_the_numbers() -> None:
    good, diverse, original, wrong = Judgement(evaluation(), exhibits(), curves()).answers
    assert good.short == "KID 0.0120 ± 0.0010"
    assert good.sentence == (
        "71% of the samples lie where real images lie; of unseen real images, 88% do."
    )
    assert diverse.sentence == (
        "The samples reach 41% of what real images show; unseen real images reach 72%. They show "
        "9 of 10 classes."
    )
    assert (original.short, original.state) == ("No sign of copying", "good")
    assert original.sentence == "Copied: 0% (0% to 1.0%)."
    assert (wrong.short, wrong.state) == ("nothing found", "good")


def test_the_answers_own_up_to_what_is_not_known() -> None:
    judged = evaluation(numbers={}, originality=None)
    assert {answer.short for answer in Judgement(judged, exhibits()).answers} == {"unknown"}


def test_copies_and_the_worst_finding_are_what_one_sees() -> None:
    copies = evaluation(originality=originality(0.2, 0.1, 0.3), findings=(FINDING, LOST))
    *_, original, wrong = Judgement(copies, exhibits()).answers
    assert (original.short, original.state) == ("Some samples are copies", "bad")
    assert (wrong.short, wrong.state) == ("divergence", "bad")
    assert "And 1 more, below." in wrong.sentence


def test_a_verdict_that_is_none_looks_like_none() -> None:
    open_ = replace(originality(), verdict="No verdict: with 9 held-out images nobody knows.")
    answer = Judgement(evaluation(originality=open_), exhibits()).answers[2]
    assert (answer.short, answer.state) == ("No verdict", "plain")
    assert answer.sentence.endswith("With 9 held-out images nobody knows.")


def test_a_remedy_can_be_copied_as_a_command(tmp_path: Path) -> None:
    odd = replace(FINDING, remedies={"data.root=my images": "why"})
    judgement = Judgement(evaluation(findings=(odd,)), exhibits(), command="python train.py a=1")
    page, _ = written(judgement, tmp_path)
    assert "python train.py a=1 'data.root=my images'" in page.text
    assert "python train.py a=1 'data.root=my images'   # why" in judgement.text()


def test_a_remedy_replaces_what_was_typed() -> None:
    odd = replace(FINDING, remedies={"trainer.max_images=9": "why"})
    typed = "python train.py trainer.max_images=5 a=1"
    text = Judgement(evaluation(findings=(odd,)), exhibits(), command=typed).text()
    assert "python train.py a=1 trainer.max_images=9   # why" in text


def test_a_finding_shows_its_curves(tmp_path: Path) -> None:
    without, _ = written(Judgement(evaluation(), exhibits(), curves()), tmp_path)
    with_it, _ = written(Judgement(evaluation(findings=(FINDING,)), exhibits(), curves()), tmp_path)
    lines = [sum(tag == "polyline" for tag, _ in page.tags) for page in (without, with_it)]
    assert lines == [6, 8]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_samples_stand_beside_real_images(channels: int, tmp_path: Path) -> None:
    shown = exhibits(channels)
    page, _ = written(Judgement(evaluation(), shown), tmp_path)
    samples, real = page.sources()[:2]
    for source, images in ((samples, shown.samples), (real, shown.real)):
        first = np.array(opened(source))[:64:4, :64:4].transpose(2, 0, 1)[:channels]
        assert np.array_equal(first, images[0].numpy())


def test_reconstructions_lie_below_their_images() -> None:
    numbered = torch.arange(20, dtype=torch.uint8).reshape(20, 1, 1, 1)
    rows = over_and_under(numbered).flatten().tolist()
    assert rows == [0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 16, 18, 17, 19]


def test_a_latent_model_has_its_own_section(tmp_path: Path) -> None:
    page, _ = written(Judgement(latent(), exhibits(n=16, reconstructions=pixels(16))), tmp_path)
    assert "Negative ELBO" in page.text
    assert "The likelihood is a Bernoulli" in page.text
    assert len(page.sources()) == 3
    plain, _ = written(Judgement(evaluation(), exhibits()), tmp_path)
    assert "Negative ELBO" not in plain.text


def test_pairs_of_no_audit_and_classes_of_no_samples_are_left_out(tmp_path: Path) -> None:
    judged = evaluation(originality=None, classes={"empty": {}})
    page, _ = written(Judgement(judged, exhibits(n=4, pairs=pixels(4))), tmp_path)
    assert len(page.sources()) == 2
    assert "no sample" in page.text


def test_the_protocol_is_told_in_full(tmp_path: Path) -> None:
    page, _ = written(Judgement(evaluation(), exhibits()), tmp_path)
    for fact in ("0123abcd", "32x32, bilinear, RGB", "2,000, seeds 0 to 1999", "4,000 images",
                 "1,000 held-out", "feed", "torch 2.15.0", "c0ffee"):  # fmt: skip
        assert fact in page.text


def test_a_folder_of_images_has_no_diagnosis(tmp_path: Path) -> None:
    folder = evaluation(images_seen=None, checkpoint="", cost={}, originality=None)
    page, _ = written(Judgement(folder, exhibits()), tmp_path)
    assert "Without a training there is no diagnosis." in page.text
    assert "Checkpoint" not in page.text


def test_the_terminal_gets_the_same(tmp_path: Path) -> None:
    text = Judgement(latent(findings=(FINDING,)), exhibits(), curves()).text()
    for line in (
        r"^The samples can be told",
        r"KID \(lite0\) +0\.0120 ± 0\.0010 +\(0\.0003\)  ↓ lower",
        r"Negative ELBO +821\.0 ± 2\.1",
        r"- discriminator overfitting \(costs quality\): It is right",
        r"python train\.py augmentation=flip   # doubles the images",
    ):
        assert re.search(line, text, re.MULTILINE), line
