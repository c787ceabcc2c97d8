from io import BytesIO
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from darkroom.intake.pack import Reading
from darkroom.intake.sources import Entry, Listing
from darkroom.intake.survey import Survey, survey

READING = Reading((32, 32), 3)


class Memory:
    """Files in memory; it counts how often one is read."""

    def __init__(self, files):
        self.files = files
        self.reads = []

    def listing(self):
        files = sorted(self.files.items())
        return Listing([Entry(name, len(data), crc32(data)) for name, data in files])

    def read(self, name):
        self.reads.append(name)
        return self.files[name]


def encoded(image, kind="PNG", **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pictures(*images):
    return Memory({f"{place:04}.png": encoded(image) for place, image in enumerate(images)})


def surveyed(source, folder, reading=READING):
    return survey(source, source.listing().entries, reading, folder)


def plain(mode="L", colour=100, size=(20, 20)):
    return Image.new(mode, size, colour)


def grey_noise(side=64):
    """Grey in three channels that JPEG's rounding lets differ a little."""
    noise = np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)
    return Image.fromarray(noise).convert("RGB")


def sprite(alpha):
    return plain("RGBA", (200, 0, 0, alpha))


def test_grey_that_was_saved_in_colours_needs_one_channel(tmp_path):
    found = surveyed(pictures(plain("RGB", (9, 9, 9)), plain()), tmp_path)
    assert (found.coloured, found.alpha) == (0, 0)
    assert found.channels() == (1, "only grey, all are opaque")


def test_colours_that_differ_by_no_more_than_jpeg_makes_them_are_grey(tmp_path):
    content = encoded(grey_noise(), "JPEG", quality=40)
    assert surveyed(Memory({"a.jpg": content}), tmp_path).channels()[0] == 1
    for difference, channels in ((8, 1), (9, 3)):
        faint = plain("RGB", (100, 100 + difference, 104))
        assert surveyed(pictures(faint), tmp_path).channels()[0] == channels


def test_one_coloured_image_among_256_is_enough(tmp_path):
    images = [plain("RGB", (9, 9, 9), (2, 2))] * 255
    assert surveyed(pictures(*images), tmp_path).channels()[0] == 1
    found = surveyed(pictures(*images, plain("RGB", (200, 0, 0), (2, 2))), tmp_path)
    assert found.coloured == 1 / 256
    assert found.channels() == (3, "colours, all are opaque")


@pytest.mark.parametrize(
    ("alphas", "expected"),
    [
        ([255, 255], (3, "colours, all are opaque")),  # the channel is there and says nothing
        ([0, 128], (4, "colours, 100% have transparency")),
        ([254, 255], (4, "colours, 50% have transparency")),
        ([128, 255, 255], (3, "colours, 33% have transparency")),
    ],
)
def test_transparency_is_modelled_where_half_of_the_images_have_some(alphas, expected, tmp_path):
    images = [sprite(alpha) for alpha in alphas]
    for image in images:
        image.putpixel((0, 0), (200, 0, 0, 255))
    assert surveyed(pictures(*images), tmp_path).channels() == expected


def test_grey_sprites_need_two_channels(tmp_path):
    assert surveyed(pictures(plain("LA", (99, 9))), tmp_path).channels()[0] == 2
    assert surveyed(pictures(plain("RGBA", (99, 99, 99, 9))), tmp_path).channels()[0] == 2


@pytest.mark.parametrize(
    ("sizes", "expected", "why"),
    [
        ([(28, 28)], (28, 28), "all are 28x28"),
        ([(28, 28)] * 3, (28, 28), "all are 28x28"),
        ([(20, 48)] * 2, (20, 48), "all are 48x20"),  # width first, as people say it
        ([(16, 64)], (16, 64), "all are 64x16"),
        ([(16, 65)], (16, 16), "the middle one's shorter side is 16"),
        ([(200, 100)] * 2, (64, 64), "the middle one's shorter side is 100"),
        ([(64, 500)] * 2, (64, 64), "the middle one's shorter side is 64"),
        ([(63, 500)] * 2, (32, 32), "the middle one's shorter side is 63"),
        ([(20, 300), (40, 30), (200, 100)], (16, 16), "the middle one's shorter side is 30"),
        ([(20, 300), (40, 32), (200, 100)], (32, 32), "the middle one's shorter side is 32"),
        ([(15, 15)], (16, 16), "the middle one's shorter side is 15"),
        ([(15, 20)], (16, 16), "the middle one's shorter side is 15"),
        ([(1, 1), (2, 2)], (16, 16), "the middle one's shorter side is 2"),
    ],
)
def test_a_resolution_enlarges_few_and_keeps_what_is_small(sizes, expected, why):
    assert Survey(sizes, 0, 0).resolution() == (expected, why)


def test_sizes_are_height_and_width_as_in_the_files(tmp_path):
    images = [plain(size=(30, 20)), plain(size=(500, 10))]
    assert surveyed(pictures(*images), tmp_path).sizes == [(20, 30), (10, 500)]


def test_a_spread_of_many_files_is_looked_at(tmp_path):
    source = pictures(*[plain(size=(2, 2))] * 1000)
    found = surveyed(source, tmp_path)
    assert len(found.sizes) == len(source.reads) == len(set(source.reads)) == 256
    places = [int(name[:4]) for name in source.reads]
    assert places[0] == 0
    assert places[-1] >= 996
    assert set(np.diff(places)) == {3, 4}


def test_the_same_files_are_looked_at_once(tmp_path):
    source = pictures(plain(), plain("RGB", (200, 0, 0)))
    first = surveyed(source, tmp_path / "new" / "packs")
    assert len(source.reads) == 2
    assert surveyed(source, tmp_path / "new" / "packs") == first
    assert len(source.reads) == 2
    surveyed(source, tmp_path / "elsewhere")
    assert len(source.reads) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: [Entry(entries[0].name, 1, 0), entries[1]],
        lambda entries: [entries[0], Entry(entries[1].name, entries[1].size, 1)],
        lambda entries: entries[:1],
    ],
)
def test_other_files_are_looked_at_anew(change, tmp_path):
    source = pictures(plain(), plain())
    entries = source.listing().entries
    survey(source, entries, READING, tmp_path)
    survey(source, change(entries), READING, tmp_path)
    assert len(source.reads) == 2 + len(change(entries))


def test_files_that_are_to_be_read_otherwise_are_looked_at_anew(tmp_path):
    source = pictures(plain())
    for reading in (READING, Reading((32, 32), 3, "pad"), Reading((32, 16), 3)):
        surveyed(source, tmp_path, reading)
    assert len(source.reads) == 3


def test_a_damaged_answer_is_made_anew(tmp_path):
    source = pictures(plain())
    first = surveyed(source, tmp_path)
    (kept,) = tmp_path.glob("survey-*.json")
    kept.write_text(kept.read_text()[:-5])
    assert surveyed(source, tmp_path) == first
    assert len(source.reads) == 2


def test_files_that_cannot_be_read_do_not_count(tmp_path):
    source = Memory({"a.png": encoded(plain("RGB", (200, 0, 0))), "b.png": b"", "c.png": b"text"})
    assert surveyed(source, tmp_path) == Survey([(20, 20)], 1.0, 0.0)


def test_without_a_file_that_can_be_read_there_is_no_answer(tmp_path):
    assert surveyed(Memory({"a.png": b"", "b.png": b"text"}), tmp_path) is None
    assert surveyed(Memory({}), tmp_path) is None


def test_an_answer_that_cannot_be_kept_names_the_option(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"data\.packs=.*file: .* type data\.packs=<another"):
        surveyed(pictures(plain()), tmp_path / "file")
