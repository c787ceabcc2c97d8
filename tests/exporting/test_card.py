"""A card says what is known, and what is not."""

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from darkroom.exporting.card import FILL_IN, card, plain
from darkroom.exporting.facts import Facts
from darkroom.exporting.parity import Parity
from darkroom.exporting.shipment import Shipment
from tests.evaluation.test_record import EVALUATION

FACTS = Facts(
    run="cats",
    model="GAN",
    parts={"generator": ("DCGANGenerator", 1234)},
    latent_dim=16,
    size=(3, 32, 48),
    class_names=(),
    images_seen=48,
    checkpoint="f00",
    config="model: {}",
    data='Folder "cats"',
)
SHIPMENT = Shipment({"model.onnx": b"abc"}, "Use it.")


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_what_is_not_known_is_said() -> None:
    text = card(FACTS, SHIPMENT)
    assert section(text, "How good it is").strip().startswith("Not measured.")
    assert section(text, "Does it copy its training images?").strip().startswith("Not audited.")
    assert f"| licence and consent | {FILL_IN} |" in section(text, "Training data")
    assert "| hardware | not recorded |" in section(text, "Training")


def test_numbers_come_with_their_protocol_and_the_audits_verdict() -> None:
    text = card(replace(FACTS, evaluations=(EVALUATION,)), SHIPMENT)
    quality = section(text, "How good it is")
    assert "| KID (thumbnail) | 0.1 ± 0.01 |" in quality.replace("0.100 ± 0.010", "0.1 ± 0.01")
    assert "- Form: 8x8" in quality
    assert "No sign of copying." in section(text, "Does it copy its training images?")
    assert "- Diagnosis: collapse. it shows" in section(text, "Limits")


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("CC0, by the museum", "CC0, by the museum"),
        ({"licence": "CC-BY-4.0", "consent": None}, "licence: CC-BY-4.0; consent: "),
        (["CC0", "own"], "CC0; own"),
    ],
)
def test_notes_on_the_datas_licence_are_taken_in_whatever_form(licence: object, said: str) -> None:
    text = card(replace(FACTS, manifest=({"licence": licence},)), SHIPMENT)
    assert f"| licence and consent | {said} |" in section(text, "Training data")
    assert f"- of the training images: {said}" in section(text, "Licence")


def test_files_differences_and_what_was_left_out_are_listed() -> None:
    shipment = replace(
        SHIPMENT, parities=(Parity("generator", 74, 3e-7),), left_out=("encoder.onnx: too long.",)
    )
    files = section(card(FACTS, shipment), "Files")
    assert "| model.onnx | 3 | `ba7816bf" in files
    assert "- generator: largest difference 3.0e-07 of 1e-04 allowed" in files
    assert "- encoder.onnx: too long." in files


@pytest.mark.promise(
    "the name of a class is Markdown or HTML",
    "The card shows it as it is.",
)
def test_names_are_no_markup() -> None:
    evil = ("<script>alert(1)</script>", "a|b\n## Licence", "[x](http://y)", "*`_")
    text = card(replace(FACTS, class_names=evil), SHIPMENT)
    assert text.count("\n## Licence\n") == 1
    page = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script>" not in page
    assert '<a href="http://y"' not in page
    for name in evil:
        shown = " ".join(name.split()).replace("<", "&lt;").replace(">", "&gt;")
        assert shown in page


def test_words_of_others_stay_on_one_line() -> None:
    assert plain("a\n\tb") == "a b"
