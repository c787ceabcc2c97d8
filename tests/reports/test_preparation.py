"""The report: a page that strangers' file names cannot break, JSON, text, and a table to edit."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from darkroom.advice import advise
from darkroom.data import Folder
from darkroom.data.own import COLUMNS
from darkroom.findings import findings
from darkroom.inspection import Inspection
from darkroom.intake.labelling import by_table
from darkroom.probe import Estimate
from darkroom.reports import Preparation, write_table
from tests.inspected import folder, inspected, labelling_of
from tests.pictures import album, break_file, picture
from tests.reports.test_page import opened

EVIL = "<img src=x onerror=alert(1)>.png"
ODD = ["with, comma.png", 'with "quotes".png', "two\nlines.png", "ümläut ★.png", " spaces .png"]
ESTIMATE = Estimate(100.0, 600.0, 1 << 30)


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def sources(self) -> list[str]:
        return [attributes["src"] or "" for tag, attributes in self.tags if tag == "img"]


def prepared(root: Path, estimate: Estimate | str = ESTIMATE, **options: Any) -> Preparation:
    found, images, data = inspected(root, **options)
    notable = list(findings(found, images.pack.reading, ""))
    advice = advise(found, [data.origin], "gan", False, "images.csv")
    return Preparation(data.origin, images, found, notable, advice, estimate)


def written(preparation: Preparation, to: Path) -> tuple[Page, dict[str, Any]]:
    preparation.write(to)
    facts = json.loads((to / "report.json").read_text())
    return Page((to / "report.html").read_text(encoding="utf-8")), facts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report"


def hostile(root: Path) -> Path:
    """Two classes with names from a stranger; some images are broken, identical, or of one colour.

    Half of them are transparent.
    """
    for kind in ("cats", "<script>alert(2)<script>"):
        for number in range(8):
            (root / kind).mkdir(exist_ok=True)
            picture(number, "RGBA").save(root / kind / f"{number}.png")
    for name in (EVIL, *ODD):
        Image.new("RGBA", (16, 16), (255, 0, 0, 90)).save(root / "cats" / name)
    for name in ("broken.png", f"broken {EVIL}"):
        picture(99).save(root / "cats" / name)
        break_file(root / "cats" / name)
    return root


# --- the page


def test_a_page_runs_nothing_and_fetches_nothing(root: Path, report: Path) -> None:
    page, _ = written(prepared(hostile(root), channels=4), report)
    text = (report / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", text.lower())
    allowed = {"meta", "title", "style", "html", "head", "body", "table", "tr", "td", "th", "h1",
               "h2", "h3", "p", "pre", "code", "strong", "div", "figure", "figcaption", "img",
               "span"}  # fmt: skip
    assert {tag for tag, _ in page.tags} <= allowed
    attributes = {name for _, given in page.tags for name in given}
    assert attributes <= {"lang", "charset", "name", "content", "class", "src", "alt", "style"}
    assert all(source.startswith("data:image/png;base64,") for source in page.sources())


def test_a_page_shows_the_names_as_they_are(root: Path, report: Path) -> None:
    page, _ = written(prepared(hostile(root), channels=4), report)
    assert EVIL in page.text
    assert f"broken {EVIL}" in page.text
    assert "<script>alert(2)<script>" in page.text


def test_a_name_that_is_no_unicode_is_shown_somehow(root: Path, report: Path) -> None:
    album(root, n=4)
    Image.new("RGB", (16, 16), "red").save(root / "named.png")
    (root / "named.png").rename(root / "\udcff.png")
    page, facts = written(prepared(root), report)
    assert "?.png" in page.text
    assert facts["inspection"]["flat"] == ["\udcff.png"]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_contact_sheet_shows_the_pixels_of_the_pack(
    channels: int, root: Path, report: Path
) -> None:
    album(root, "a/0.png", "a/1.png", "b/0.png", mode="RGBA")
    preparation = prepared(root, channels=channels)
    page, _ = written(preparation, report)
    *_, first, second = page.sources()  # a row for each class
    for source, numbers in ((first, [0, 1]), (second, [2])):
        shown = np.array(opened(source))
        assert shown.shape[:2] == (64, 64 * len(numbers) + (len(numbers) - 1))
        for place, number in enumerate(numbers):
            part = shown[::4, 65 * place : 65 * place + 64 : 4].transpose(2, 0, 1)
            pixels = preparation.images.first(3)[number].numpy()
            assert np.array_equal(part[:channels], pixels)


def test_a_finding_shows_its_files(root: Path, report: Path) -> None:
    album(root, n=5)
    Image.new("RGB", (16, 16), "#123456").save(root / "flat.png")
    page, _ = written(prepared(root), report)
    (shown,) = [attributes for tag, attributes in page.tags if attributes.get("alt") == "flat.png"]
    assert opened(shown["src"] or "").getpixel((3, 3)) == (0x12, 0x34, 0x56, 255)


def test_only_the_first_hundred_broken_files_are_listed(root: Path, report: Path) -> None:
    album(root, n=2)
    preparation = prepared(root)
    broken = {f"broken{k:03d}.png": "cut" for k in range(103)}
    preparation = replace(preparation, inspection=replace(preparation.inspection, broken=broken))
    page, facts = written(preparation, report)
    assert "broken099.png" in page.text
    assert "broken100.png" not in page.text
    assert "and 3 more" in page.text
    assert len(facts["inspection"]["broken"]) == 103


def test_a_report_on_harmless_images_says_so(root: Path, report: Path) -> None:
    album(root, n=3)
    page, facts = written(replace(prepared(root), findings=[]), report)
    assert "Nothing unusual was found." in page.text
    assert facts["findings"] == []


# --- JSON and text


def test_json_holds_everything(root: Path, report: Path) -> None:
    preparation = prepared(hostile(root), channels=4)
    _, facts = written(preparation, report)
    found = preparation.inspection
    assert [f["what"] for f in facts["findings"]] == [f.what for f in preparation.findings]
    assert facts["findings"][0]["files"] == [[name] for name in found.broken]
    assert facts["inspection"]["identical"] == found.identical
    assert facts["inspection"]["sizes"] == {"16x16": found.images}
    assert facts["inspection"]["mirror"] is None
    assert facts["advice"]["command"] == preparation.advice.command
    assert facts["estimate"] == {
        "images_per_second": 100.0,
        "seconds": 600.0,
        "memory_bytes": 1 << 30,
    }


def test_why_there_is_no_estimate_is_everywhere(root: Path, report: Path) -> None:
    album(root, n=2)
    preparation = prepared(root, estimate="It would not run: too few.")
    page, facts = written(preparation, report)
    assert facts["estimate"] == "It would not run: too few."
    assert facts["estimate"] in page.text
    assert facts["estimate"] in preparation.text()


def test_the_text_has_facts_findings_and_the_command(root: Path) -> None:
    album(root, *(f"{kind}/{k}.png" for kind in "ab" for k in range(60)), size=(20, 10))
    picture(500, size=(30, 30)).save(root / "a" / "large.png")
    (root / "notes.txt").touch()
    (root / "LICENSE").touch()
    preparation = prepared(root)
    text = preparation.text()
    for line in (
        r"images +121 \(109 training, 12 held out; a random split\)",
        r"packed as +16x16 RGB",
        r"sizes +120 of 20x10, 1 of 30x30\n",
        r"kinds +121 PNG RGB",
        r"classes +2\n",
        r"mirrored +can(not)? be told from the others \(kernel distance",
        r"left out +0 broken, (1 .txt, 1 without ending|1 without ending, 1 .txt)",
        r"- 121 images are few\n  evaluate\.py tells",
        re.escape(f"Recommended:\n\n  {preparation.advice.command}\n"),
        r"about 10 min here, at 100 images/s; 1.0 GiB of memory$",
    ):
        assert re.search(line, text), line
    for override, reason in preparation.advice.reasons.items():
        assert re.search(re.escape(override) + " +" + re.escape(reason), text)


def test_of_too_few_images_nothing_is_said_about_mirroring(root: Path) -> None:
    album(root, n=1)
    assert "mirrored      too few images to tell" in prepared(root).text()


# --- the table


def tabled(root: Path, to: Path, **options: Any) -> tuple[Folder, Inspection]:
    found, images, data = inspected(root, **options)
    write_table(to, images, found, labelling_of(data), data.pack.errors)
    return data, found


def by_name(data: Folder) -> dict[str, tuple[str, str | None]]:
    """Class and split of each image that can be read."""
    images = data.read()
    labels = [images.class_names[k] if images.class_names else "" for k in images.labels.tolist()]
    return dict(zip(images.names, zip(labels, images.splits, strict=True), strict=True))


def test_a_table_taken_back_gives_the_same_set(root: Path, tmp_path: Path) -> None:
    names = [f"{part}/{kind}/{k}.png" for part in ("train", "val", "test") for kind in "ab"
             for k in range(4)]  # fmt: skip
    album(root, *names)
    for name in names[3::8]:
        break_file(root / name)
    table = tmp_path / "images.csv"
    data, found = tabled(root, table)
    again = folder(root, table=str(table))
    assert by_name(again) == by_name(data)
    assert again.read().class_names == ("a", "b")
    assert again.left_out == data.left_out == found.broken
    assert len(found.broken) == 3
    with table.open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert rows.keys() == set(names)
    assert rows[names[3]]["error"] == found.broken[names[3]]
    assert rows[names[3]]["label"] == names[3].split("/")[1]
    assert (rows[names[0]]["width"], rows[names[0]]["height"]) == ("16", "16")


def test_near_duplicates_are_one_group_and_others_none(root: Path, tmp_path: Path) -> None:
    album(root, n=6, size=(64, 64))
    soft = picture(50, size=(4, 4)).resize((64, 64), Image.Resampling.BICUBIC)
    soft.save(root / "soft.png")
    ImageEnhance.Brightness(soft).enhance(1.03).save(root / "brighter.png")
    soft.save(root / "same.png")
    table = tmp_path / "images.csv"
    tabled(root, table, resolution=64)
    names = sorted(path.name for path in root.iterdir())
    known = by_table(table, COLUMNS, names)
    groups = dict(zip(known.names, known.groups, strict=True))
    assert groups["soft.png"] == groups["brighter.png"] == groups["same.png"] is not None
    assert {group for name, group in groups.items() if name[0].isdigit()} == {None}


def test_with_the_table_nothing_leaks_through_a_random_split(root: Path, tmp_path: Path) -> None:
    for number in range(8):
        soft = picture(number, size=(4, 4)).resize((64, 64), Image.Resampling.BICUBIC)
        soft.save(root / f"{number}.png")
        soft.save(root / f"{number}.jpg", quality=90)
    table = tmp_path / "images.csv"
    options = {"resolution": 64, "validation": 0.4}
    _, found = tabled(root, table, **options)
    assert found.leaks
    after, _, _ = inspected(root, table=str(table), **options)
    assert after.similar == found.similar
    assert after.leaks == []


def test_the_groups_of_the_user_are_kept(root: Path, tmp_path: Path) -> None:
    album(root, *(f"{who}-{k}.png" for who in ("ann", "bob") for k in range(3)))
    picture(0).save(root / "bob-9.png")  # the same as ann-0.png
    table = tmp_path / "images.csv"
    tabled(root, table, group=r"^(\w+)-")
    images = folder(root, table=str(table)).read()
    assert images.groups == ["ann"] * 3 + ["bob"] * 4


def test_odd_names_survive_a_table(root: Path, tmp_path: Path) -> None:
    album(root, *(f"{kind}/{name}" for kind in ("cats, small", "dogs") for name in [*ODD, EVIL]))
    break_file(root / "dogs" / ODD[2])
    table = tmp_path / "images.csv"
    data, _ = tabled(root, table)
    assert by_name(folder(root, table=str(table))) == by_name(data)
    assert len(by_name(data)) == 2 * len([*ODD, EVIL]) - 1
    assert folder(root, table=str(table)).read().class_names == ("cats, small", "dogs")


def test_what_was_not_even_looked_into_is_not_in_the_table(root: Path, tmp_path: Path) -> None:
    album(root, n=4)
    (root / "nowhere.png").symlink_to(root / "missing")
    table = tmp_path / "images.csv"
    data, found = tabled(root, table)
    assert found.broken.keys() == {"nowhere.png"}
    assert len(by_name(folder(root, table=str(table)))) == len(by_name(data)) == 4


def test_large_images_are_shrunk_on_the_page(root: Path, report: Path) -> None:
    picture(0, size=(300, 150)).save(root / "a.png")
    page, _ = written(prepared(root, resolution=[150, 300]), report)
    assert [opened(source).size for source in page.sources()] == [(128, 64)]
