"""Somebody's picture: read as a training image, or refused in words."""

import numpy as np
import pytest

from darkroom.demo import uploads
from darkroom.demo.uploads import fitted, reading
from darkroom.intake.pack import Reading, read_image
from tests.demo import strange_files

GREY = Reading((16, 16), 1)


def test_a_picture_is_cut_and_scaled_like_a_training_image() -> None:
    pixels = fitted(strange_files.good(), GREY)
    alike, _ = read_image(strange_files.good(), "training.png", GREY, 1)
    np.testing.assert_array_equal(pixels[0].numpy(), alike)


@pytest.mark.promise(
    "A picture of some hundred bytes that would fill the memory is uploaded",
    "It is refused by the size that it claims, before it is decoded.",
)
def test_a_bomb_is_refused() -> None:
    with pytest.raises(ValueError, match="decompression bomb"):
        fitted(strange_files.bomb(), GREY)


@pytest.mark.parametrize(
    "content",
    [
        b"just a text",
        strange_files.good()[:200],
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=["text", "torn", "postscript", "svg"],
)
@pytest.mark.promise(
    "A file that is no whole picture is uploaded",
    "It is refused in words, without a traceback or a path.",
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"cannot be read: .*\. Choose another picture") as refused:
        fitted(content, GREY)
    assert "/" not in str(refused.value).replace("L/LA", "")


def test_a_picture_is_fitted_as_the_data_say() -> None:
    padded = reading((3, 16, 16), {"fit": "pad", "background": "#ff0000", "root": "/somewhere"})
    pixels = fitted(strange_files.good((40, 20)), padded)
    assert pixels[0, :, 0, 0].tolist() == [255, 0, 0]
    assert reading((1, 16, 16), {"window": [40, 400]}).window == (40, 400)


@pytest.mark.parametrize("content", [None, b"", "/etc/passwd", 7])
def test_no_file_is_asked_for(content: object) -> None:
    with pytest.raises(ValueError, match="Choose a file"):
        fitted(content, GREY)


def test_a_file_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST", 100)
    with pytest.raises(ValueError, match="Choose one of at most"):
        fitted(strange_files.good(), GREY)
