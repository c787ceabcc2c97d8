"""A page needs nothing beside itself, runs nothing, and shows the pixels that it was given."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from jinja2 import UndefinedError
from PIL import Image

from darkroom.reports import page


def opened(address: str) -> Image.Image:
    """The picture behind a data URI."""
    kind, _, content = address.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(BytesIO(b64decode(content, validate=True)))


def noise(n: int, channels: int, height: int = 3, width: int = 5) -> torch.Tensor:
    values = np.random.default_rng(channels).integers(0, 256, (n, channels, height, width))
    return torch.from_numpy(values.astype(np.uint8))


@pytest.mark.parametrize(("channels", "mode"), [(1, "LA"), (2, "LA"), (3, "RGBA"), (4, "RGBA")])
def test_a_picture_shows_its_images_in_rows_and_is_transparent_where_there_is_none(
    channels: int, mode: str
) -> None:
    pixels = noise(3, channels)
    image = opened(page.picture(pixels, columns=2, scale=1))
    assert (image.mode, image.size) == (mode, (2 * 5 + 1, 2 * 3 + 1))
    shown = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    for number, corner in enumerate([(0, 0), (0, 6), (4, 0)]):
        part = shown[:, corner[0] : corner[0] + 3, corner[1] : corner[1] + 5]
        assert torch.equal(part[:channels], pixels[number])
        if channels in (1, 3):
            assert part[-1].min() == 255
    assert shown[-1, 4:, 6:].max() == 0
    assert shown[-1, 3].max() == shown[-1, :, 5].max() == 0


def test_a_picture_is_enlarged_by_whole_pixels() -> None:
    pixels = noise(1, 4)
    shown = np.array(opened(page.picture(pixels, columns=1, scale=3)))
    expected = pixels[0].permute(1, 2, 0).numpy().repeat(3, axis=0).repeat(3, axis=1)
    assert np.array_equal(shown, expected)


def test_a_fact_that_a_template_lacks_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        page.write(tmp_path / "page.html", "preparation.html", origin="x")
    assert list(tmp_path.iterdir()) == []
