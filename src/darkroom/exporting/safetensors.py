"""to=safetensors: weights, in which no code can hide, and the config that rebuilds the model."""

import json
from pathlib import Path

from darkroom import config
from darkroom.checkpoint import SavedRun, digest
from darkroom.exporting.extra import needed
from darkroom.exporting.facts import Facts
from darkroom.exporting.shipment import Shipment
from darkroom.exporting.weights import take, weights_of

WEIGHTS, CONFIG = "model.safetensors", "config.json"

USE = """
With darkroom; nothing in these files is run, and the hash of the weights is checked first:

```python
from darkroom.exporting import load
from darkroom.sampling import drawn

saved = load("path/of/this/folder")
for pixels in drawn(saved.system, seeds=range(64)):  # [batch, channels, height, width], 0..255
    ...
```
"""


class Safetensors:
    """`model.safetensors`, and `config.json` beside it.

    Raises:
        ValueError: If the extra is not installed.
    """

    def __init__(self) -> None:
        needed("safetensors", "safetensors")

    def packed(self, saved: SavedRun, facts: Facts) -> Shipment:
        from safetensors.torch import save

        content = save(weights_of(saved.system), {"format": "pt", **facts.metadata})
        return Shipment({WEIGHTS: content}, USE)


def load(folder: str | Path) -> SavedRun:
    """The model that `export.py to=safetensors` or `to=hub` wrote, in evaluation mode.

    Its averaged weights are bit for bit those of the run; a discriminator is not among them, and
    begins anew.

    Args:
        folder: With `model.safetensors` and `config.json`.

    Raises:
        ValueError: If a file is missing or damaged, or is not what darkroom wrote.
    """
    needed("a folder of safetensors", "safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path, beside = Path(folder).expanduser() / WEIGHTS, Path(folder).expanduser() / CONFIG
    for file in (path, beside):
        if not file.is_file():
            raise ValueError(f"{file} is not there. Type the folder that export.py wrote.")
    text, expected, images_seen = _told(beside)
    if digest(path) != expected:
        raise ValueError(f"{path} is damaged: its SHA-256 is not the one in {beside}.")
    composed = config.parse(text)
    config.check(composed)
    system = config.build(composed.model)
    try:
        take(system, load_file(path))
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as weights: {error}.") from error
    system.images_seen = images_seen
    return SavedRun(system.eval(), composed, images_seen, path)


def _told(path: Path) -> tuple[str, str, int]:
    """The config of the run, the hash of the weights, and how long they were trained."""
    try:
        tree = json.loads(path.read_text())
        return str(tree["config"]), str(tree["files"][WEIGHTS]), int(tree["images_seen"])
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no config of darkroom's: {error!r}.") from error
