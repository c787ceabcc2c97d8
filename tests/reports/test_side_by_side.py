"""The page of a comparison, for two runs and for a sweep."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darkroom.comparison import Entry, compare
from darkroom.evaluation.record import Evaluation, Number
from darkroom.reports import SideBySide
from tests.reports.synthetic import (
    COST,
    FINDING,
    LOST,
    curve,
    evaluation,
    exhibits,
    latent,
    numbers,
    pixels,
    protocol,
)
from tests.reports.test_judgement import EVIL, _no_json, harmless, hostile
from tests.reports.test_page import opened
from tests.reports.test_preparation import Page

NAN = float("nan")


def side_by_side(runs: dict[str, Evaluation], **overrides: dict[str, str]) -> SideBySide:
    entries = [Entry(name, own, overrides.get(name, {})) for name, own in runs.items()]
    shown = {name: exhibits(samples=pixels(64, seed=k)) for k, name in enumerate(runs)}
    logged = {name: {"quality/kid_thumbnail": curve([3, 2, 1])} for name in runs}
    return SideBySide(compare(entries), shown, logged)


def written(page: SideBySide, to: Path) -> tuple[Page, dict[str, Any]]:
    page.write(to)
    facts = json.loads((to / "comparison.json").read_text(), parse_constant=_no_json)
    return Page((to / "comparison.html").read_text(encoding="utf-8")), facts


def sweep(runs: int = 24) -> SideBySide:
    """Runs with different learning rates, of which one is lost."""
    found = {
        f"{k:02d}": evaluation(
            f"outputs/sweep/{k:02d}",
            numbers=numbers(NAN if k == 3 else 0.01 + 0.002 * ((7 * k) % runs)),
            findings=(LOST,) if k == 3 else (),
        )
        for k in range(runs)
    }
    typed = {name: {"lr": f"1e-{name}", "seed": "0"} for name in found}
    return side_by_side(found, **typed)


def test_a_page_runs_nothing_and_shows_names_as_they_are(tmp_path: Path) -> None:
    judged, logged = hostile()
    entries = [Entry(EVIL, judged, {EVIL: EVIL}), Entry("b", evaluation())]
    shown = {EVIL: exhibits(), "b": exhibits()}
    both = {EVIL: logged, "b": logged}
    page, _ = written(SideBySide(compare(entries), shown, both), tmp_path)
    harmless(tmp_path / "comparison.html", page)
    assert page.text.count(EVIL) > 12


def test_names_of_refused_runs_are_escaped_too(tmp_path: Path) -> None:
    judged, _ = hostile()
    odd = replace(judged, protocol=protocol(samples=500))
    page, _ = written(side_by_side({EVIL: odd, "b": evaluation()}), tmp_path)
    harmless(tmp_path / "comparison.html", page)
    assert f"python evaluate.py 'run={EVIL}' samples=2000" in page.text


def test_the_conclusion_comes_first(tmp_path: Path) -> None:
    runs = {"gan": evaluation(numbers=numbers(0.01)), "vae": latent(numbers=numbers(0.05))}
    page, facts = written(side_by_side(runs), tmp_path)
    said = "gan gives the better images: KID (lite0) 0.0100 ± 0.0010 against 0.0500 ± 0.0010 (vae)."
    assert facts["conclusion"][0] == said
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert text.index(said) < text.index("Results") < text.index("Protocol")
    assert "If you want the best images" in text
    assert "gan beside vae" in text


def test_unequal_protocols_show_numbers_and_no_ranking(tmp_path: Path) -> None:
    runs = {"a": evaluation(), "b": evaluation("outputs/b", protocol=protocol(samples=500))}
    page, facts = written(side_by_side(runs), tmp_path)
    assert facts["ranked"] is False
    assert facts["refusals"][0]["commands"] == ["python evaluate.py run=outputs/b samples=2000"]
    assert set(facts["places"]["kid_lite0"].values()) == {None}
    assert "Not ranked." in page.text
    assert "A place counts" not in page.text
    assert page.text.count("0.0120\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.0010") >= 4
    assert "500, seeds 0 to 499" in page.text
    assert "2,000, seeds 0 to 1999" in page.text


def test_a_sweep_is_sorted_by_its_main_number(tmp_path: Path) -> None:
    page, facts = written(sweep(), tmp_path)
    assert facts["order"][0] == "00"
    assert facts["order"][-1] == "03"
    assert facts["judged_by"]["quality"] == "kid_lite0"
    html = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    varied = html.split("What was varied")[1].split("<h2>")[0]
    assert re.findall("<code>(.*?)</code>", varied) == ["lr", "KID (lite0)"]
    assert re.findall(r"<tr><th>(\d\d)</th>", varied) == facts["order"]
    assert "24 runs" in page.text


@pytest.mark.parametrize(("runs", "grid"), [(2, (8, 8)), (24, (4, 4))])
def test_grids_of_many_runs_are_small(runs: int, grid: tuple[int, int], tmp_path: Path) -> None:
    compared = sweep(runs) if runs > 3 else side_by_side({"a": evaluation(), "b": evaluation()})
    page, _ = written(compared, tmp_path)
    sources = page.sources()
    assert len(sources) == runs + 1  # and real images
    image = opened(sources[0])
    assert (image.width + 1) // 65 == grid[0]
    assert (image.height + 1) // 65 == grid[1]


def test_samples_are_those_of_their_run(tmp_path: Path) -> None:
    compared = side_by_side({"a": evaluation(), "b": evaluation()})
    page, _ = written(compared, tmp_path)
    for name, source in zip("ab", page.sources(), strict=False):
        first = np.array(opened(source))[:64:4, :64:4].transpose(2, 0, 1)[:3]
        assert np.array_equal(first, compared.exhibits[name].samples[0].numpy())


def test_missing_numbers_pictures_and_curves_are_left_out(tmp_path: Path) -> None:
    bare = evaluation(numbers={}, originality=None, cost={}, findings=(FINDING,))
    entries = [Entry("a", evaluation()), Entry("bare", bare)]
    page, facts = written(SideBySide(compare(entries), {}), tmp_path)
    assert "not measured" in page.text
    assert page.sources() == []
    assert facts["places"]["kid_lite0"] == {"a": 1, "bare": None}
    assert not [tag for tag, _ in page.tags if tag == "polyline"]


def test_nothing_at_all_is_a_page_too(tmp_path: Path) -> None:
    bare = evaluation(numbers={}, originality=None, cost={}, images_seen=None)
    compared = SideBySide(compare([Entry("a", bare), Entry("b", bare)]), {})
    page, facts = written(compared, tmp_path)
    assert facts["conclusion"] == []
    assert "Nothing was found." in page.text
    assert "a beside b" in compared.text()


def test_what_is_no_number_is_null_in_json(tmp_path: Path) -> None:
    broken = evaluation(numbers={"kid_lite0": Number(NAN, "lower", NAN)}, cost={"x": NAN})
    _, facts = written(side_by_side({"a": evaluation(), "b": broken}), tmp_path)
    assert facts["runs"][1]["evaluation"]["numbers"]["kid_lite0"]["value"] is None


def test_curves_of_all_runs_lie_over_each_other(tmp_path: Path) -> None:
    page, _ = written(sweep(), tmp_path)
    lines = [given["class"] for tag, given in page.tags if tag == "polyline"]
    assert len(lines) == 24
    assert lines.count("sx") == 16
    assert "16 others" in page.text


def test_only_runs_that_lead_are_marked(tmp_path: Path) -> None:
    runs = {"a": evaluation(numbers=numbers(0.01)), "b": evaluation(numbers=numbers(0.05))}
    page, _ = written(side_by_side(runs), tmp_path)
    rows = [given["class"] for tag, given in page.tags if (given.get("class") or "") in
            ("row", "row leads")]  # fmt: skip
    assert rows.count("row leads") == 1  # of the only number that tells them apart


def test_the_terminal_gets_a_table() -> None:
    cheap = evaluation(numbers=numbers(0.05), cost=COST | {"training_seconds": 10.0})
    text = side_by_side({"dear": evaluation(), "cheap": cheap}).text()
    assert "If you want the best images, take dear." in text
    assert "If you want results soon, take cheap." in text
    lines = [line.split() for line in text.splitlines()]
    assert ["1", "dear", "0.0120", "±", "0.0010"] in [line[:5] for line in lines]
    assert "! The numbers of" not in text
