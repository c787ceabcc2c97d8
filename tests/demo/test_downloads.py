"""The folder of files to take away does not grow."""

from pathlib import Path

import torch
from PIL import Image

from darkroom.demo.downloads import Shelf, film
from darkroom.provenance.origin import Origin


def test_the_oldest_file_makes_room(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, most=3)
    paths = [Path(shelf.put("a.png", bytes([k]))) for k in range(5)]
    assert [path.exists() for path in paths] == [False, False, True, True, True]
    assert paths[4].read_bytes() == b"\x04"
    assert len(list(tmp_path.iterdir())) == 3


def test_transparency_is_over_white_in_a_film(tmp_path: Path) -> None:
    pixels = torch.zeros(3, 4, 16, 16, dtype=torch.uint8)
    path = Path(Shelf(tmp_path).put("a.gif", film(pixels, Origin("", "", "", 0, "{}"))))
    with Image.open(path) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert min(image.size) >= 256
