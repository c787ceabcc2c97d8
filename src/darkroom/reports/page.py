"""HTML in one file: the style and all pictures are inside, and no script is."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image
from torchvision.transforms.v2 import functional as transforms

from darkroom.images import Pixels, pil, tile, visible_scale

LARGEST = 128  # pixels of a side on the page

_TEMPLATES = Environment(
    loader=PackageLoader("darkroom.reports", "."),
    autoescape=True,  # file names are a stranger's
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["whole"] = lambda text: str(text).replace(" ± ", "\u00a0±\u00a0")


def write(path: Path, template: str, **facts: Any) -> None:
    """Fills a template of this folder with facts."""
    text = _TEMPLATES.get_template(template).render(facts)
    path.write_text(text, encoding="utf-8", errors="replace")


def picture(pixels: Pixels, columns: int, scale: int) -> str:
    """Images in rows, as the address of an <img>; what is transparent stays so."""
    has_alpha = pixels.shape[1] in (2, 4)
    if not has_alpha:  # the empty places of the last row too should be transparent
        pixels = torch.cat([pixels, torch.full_like(pixels[:, :1], 255)], dim=1)
    buffer = BytesIO()
    image: Image.Image = pil(tile(pixels, columns, scale))
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def sheet(pixels: Pixels, columns: int, largest: int = LARGEST) -> str:
    """Images in rows, enlarged or shrunk to a size that is comfortable on a page.

    Args:
        pixels: The images.
        columns: Images in a row, at most.
        largest: Pixels of the longer side, at most.
    """
    *_, height, width = pixels.shape
    if max(height, width) > largest:  # or the page would have the size of a film
        shrunk = largest / max(height, width)
        size = [max(1, round(height * shrunk)), max(1, round(width * shrunk))]
        pixels = transforms.resize(pixels, size, antialias=True)
    return picture(pixels, min(columns, len(pixels)), visible_scale(pixels.shape[2]))
