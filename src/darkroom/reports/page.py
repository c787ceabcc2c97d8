"""HTML in one file: the style and all pictures are inside, and no script is."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from darkroom.images import Pixels, pil, tile

_TEMPLATES = Environment(
    loader=PackageLoader("darkroom.reports", "."),
    autoescape=True,  # file names are a stranger's
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


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
