"""Runs of tiny models, as the page sees them."""

from pathlib import Path

from omegaconf import OmegaConf

from darkroom.checkpoint import SavedRun
from darkroom.demo.downloads import Shelf
from darkroom.demo.explorer import Explorer
from darkroom.demo.handlers import ANY, Handlers
from darkroom.intake.pack import Reading
from darkroom.provenance.origin import Origin
from tests.conftest import tiny_system

AS_TYPED = (4.0, ANY, "learned")
"""Truncation, class and prior as the page's controls are at first."""


def explorer(model: str, name: str = "a run", names: tuple[str, ...] = ()) -> Explorer:
    system = tiny_system(model).eval()
    config = OmegaConf.create({"class_names": list(names)})
    saved = SavedRun(system, config, 1000, Path("run/checkpoints/last.ckpt"))
    origin = Origin(run="run", identity="", checkpoint="", images_seen=1000, draw="{}")
    return Explorer(
        name, saved, system, Reading((16, 16), 1), origin, {"validation/rate": 7.0}, batch_size=16
    )


def handlers(folder: Path, *explorers: Explorer) -> Handlers:
    return Handlers(explorers, Shelf(folder))
