"""The page in a browser: what people click, type and bring."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from darkroom.provenance import origin
from tests.demo import strange_files
from tests.demo.served import Served

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")

sync_api.expect.set_options(timeout=30_000)  # on a busy machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TABS = ("Sample", "Walk", "Edit", "Upload")


class Visit:
    """A page in a browser, and what it asked for.

    Attributes:
        page: Playwright's page.
        strays: Requests to anywhere else.
        errors: What the browser complained of.
    """

    def __init__(self, context: "sync_api.BrowserContext", url: str) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.strays: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self._note(request.url, url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.wait_for_selector("#sheet .cell img")

    def _note(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "data:", "blob:")):
            self.strays.append(asked)

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def source(self, selector: str) -> str:
        """The picture in a part of the page."""
        return str(self.page.locator(f"{selector} img").last.get_attribute("src"))

    def changes(self, selector: str, before: str) -> str:
        """The picture that comes after another one."""
        locator = self.page.locator(f"{selector} img").last
        sync_api.expect(locator).not_to_have_attribute("src", before)
        return self.source(selector)

    def downloaded(self, button: str, folder: Path) -> Path:
        with self.page.expect_download() as coming:
            self.page.locator(button).click()
        path = folder / coming.value.suggested_filename
        coming.value.save_as(path)
        return path

    def bring(self, name: str, content: bytes) -> None:
        given = {"name": name, "mimeType": "image/png", "buffer": content}
        self.page.set_input_files("#upload input[type=file]", given)


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: "sync_api.Browser", page_of_gan: Served) -> Iterator[Visit]:
    yield from visiting(browser, page_of_gan, DESK)


@pytest.fixture
def visit_both(browser: "sync_api.Browser", page_of_both: Served) -> Iterator[Visit]:
    yield from visiting(browser, page_of_both, DESK)


@pytest.fixture
def phone(browser: "sync_api.Browser", page_of_both: Served) -> Iterator[Visit]:
    yield from visiting(browser, page_of_both, PHONE)


def visiting(browser: "sync_api.Browser", served: Served, size: dict[str, int]) -> Iterator[Visit]:
    context = browser.new_context(viewport=size)
    visit = Visit(context, served.url)
    yield visit
    assert visit.strays == []
    assert visit.errors == []
    context.close()


def expect(visit: Visit, selector: str) -> "sync_api.LocatorAssertions":
    return sync_api.expect(visit.page.locator(selector), f"{selector} of the page")


def test_an_image_is_chosen_and_taken_away(visit: Visit, tmp_path: Path) -> None:
    before = visit.source("#detail")
    visit.page.locator("[data-seed='5']").click()
    expect(visit, "#detail figcaption").to_contain_text("seed 5")
    visit.changes("#detail", before)
    path = visit.downloaded("#one", tmp_path)
    claim = origin.read(path)
    assert claim is not None
    assert (path.name, claim.seed) == ("seed-000005.png", 5)
    with zipfile.ZipFile(visit.downloaded("#all", tmp_path)) as archive:
        assert archive.namelist()[15] == "seed-000015.png"


def test_other_seeds_and_another_class_are_drawn(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Later").click()
    expect(visit, "[data-seed='16']").to_be_visible()
    before = visit.source("#detail")
    visit.page.get_by_label("Class").click()
    visit.page.get_by_role("option", name="7", exact=True).click()
    visit.changes("#detail", before)
    expect(visit, "#detail figcaption").to_contain_text("class 7")


def test_a_walk_between_two_images_that_were_chosen(visit: Visit, tmp_path: Path) -> None:
    visit.page.locator("[data-seed='3']").click()
    expect(visit, "#detail figcaption").to_contain_text("seed 3")
    visit.page.get_by_role("button", name="Walk from").click()
    expect(visit, "#walk-view").to_be_visible()
    visit.tab("Sample")
    visit.page.locator("[data-seed='8']").click()
    expect(visit, "#detail figcaption").to_contain_text("seed 8")
    visit.page.get_by_role("button", name="Walk to").click()
    sync_api.expect(visit.page.get_by_label("From seed")).to_have_value("3")
    sync_api.expect(visit.page.get_by_label("To seed")).to_have_value("8")
    expect(visit, "#walk-view .strip img").to_have_count(12)
    with Image.open(visit.downloaded("#film", tmp_path)) as film:
        assert (film.format, film.n_frames) == ("GIF", 22)
    assert visit.downloaded("#strip", tmp_path).name == "3-to-8.png"


def test_an_image_is_edited_by_a_slider_and_reset(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Edit", exact=True).click()
    expect(visit, "#edit-view img").to_have_count(2)
    before = visit.source("#edit-view")
    slider = visit.page.locator(".centred input[type=range]").first
    slider.focus()
    slider.press("End")
    visit.changes("#edit-view", before)
    visit.page.locator("#reset").click()
    expect(visit, "#edit-view img >> nth=1").to_have_attribute("src", before)
    sync_api.expect(slider).to_have_value("0")


def test_a_picture_is_rebuilt_scored_found_and_edited(visit_both: Visit) -> None:
    visit_both.tab("Upload")
    visit_both.bring("mine.png", strange_files.good())
    expect(visit_both, "#yours-view figcaption").to_have_count(2)
    visit_both.page.get_by_role("button", name="Rebuild").click()
    expect(visit_both, "#yours-view").to_contain_text("rebuilt")
    visit_both.page.get_by_role("button", name="Score").click()
    expect(visit_both, "#yours-view").to_contain_text("not what is ill")
    visit_both.page.get_by_label("Steps of the search").first.fill("50")
    visit_both.page.get_by_role("button", name="Find").click()
    expect(visit_both, "#yours-view").to_contain_text("PSNR")
    visit_both.page.get_by_role("button", name="Edit what was found").click()
    expect(visit_both, "#edit-view figcaption >> nth=0").to_have_text("your image")


@pytest.mark.promise(
    "Somebody brings a bomb, a text or a file over the limit to the page",
    "The page says in words what is wrong with it, and goes on.",
)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (strange_files.bomb(), "decompression bomb"),
        (b"just a text", "cannot be read"),
        (bytes((16 << 20) + 5000), "exceed the maximum"),
    ],
    ids=["bomb", "text", "large"],
)
def test_what_is_no_picture_is_said(visit: Visit, content: bytes, said: str) -> None:
    visit.tab("Upload")
    visit.bring("mine.png", content)
    toast = visit.page.locator(".toast-body, [data-testid=toast-body]").first
    sync_api.expect(toast).to_contain_text(said)
    sync_api.expect(toast).not_to_contain_text("/")
    visit.page.reload()
    visit.page.wait_for_selector("#sheet .cell img")


def test_runs_are_seen_side_by_side(visit_both: Visit) -> None:
    boxes = [visit_both.page.locator(f"#sheet .run >> nth={k}").bounding_box() for k in range(2)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    visit_both.page.locator("[data-seed='2']").last.click()
    expect(visit_both, ".cell.chosen").to_have_count(2)
    expect(visit_both, "#detail figcaption").to_have_count(2)
    visit_both.tab("Runs")
    expect(visit_both, ".chart >> nth=0").to_be_visible()


def test_it_can_be_used_without_a_mouse(visit: Visit) -> None:
    page = visit.page

    def focused() -> str:
        return str(page.evaluate("document.activeElement.innerText || document.activeElement.name"))

    def to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if focused().strip() == name:
                return
        raise AssertionError(f"{name} is not reached by the keyboard")

    to("Later")
    page.keyboard.press("Enter")
    expect(visit, "[data-seed='16']").to_be_visible()
    to("sheet-0")
    page.keyboard.press("ArrowRight")
    expect(visit, "#detail figcaption").to_contain_text("seed 17")
    to("Walk to")
    page.keyboard.press("Enter")
    sync_api.expect(page.get_by_label("To seed")).to_have_value("17")


def test_a_narrow_screen_shows_everything_without_scrolling_sideways(phone: Visit) -> None:
    for tab in (*TABS, "Runs"):
        phone.tab(tab)
        phone.page.wait_for_timeout(1500)
        width = phone.page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], tab
