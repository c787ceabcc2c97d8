"""demo.py: a page to explore trained runs."""

from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from darkroom import checkpoint
from darkroom.demo import course
from darkroom.demo.course import Course
from darkroom.demo.explorer import Explorer, names_of
from darkroom.demo.serving import serve
from darkroom.demo.uploads import reading
from darkroom.provenance.origin import SAMPLES, Origin
from darkroom.sampling import drawn
from darkroom.verbs.device import device_of
from darkroom.verbs.sample import signer_of

MOST = 4  # runs; of more nothing could be seen side by side


def demo(composed: DictConfig) -> None:
    """Serves a page about one run or several, until it is interrupted.

    Args:
        composed: A checked demo config.

    Raises:
        ValueError: If it cannot be done, with what to type instead.
    """
    if composed.provenance.timestamp is not None:
        raise ValueError(
            f"provenance.timestamp={composed.provenance.timestamp}: the page connects to nothing. "
            "Leave it out, or draw the images with sample.py."
        )
    signer = signer_of(composed.provenance)
    serve(*opened(composed), composed.port, signer)


def opened(composed: DictConfig) -> tuple[list[Explorer], list[Course]]:
    """The runs that the page is about, and how they went.

    Raises:
        ValueError: If there are none, too many, or one that cannot be loaded.
    """
    if composed.batch_size < 1:
        raise ValueError(f"batch_size={composed.batch_size}: type a number from 1 on, such as 64.")
    folders = [composed.run] if composed.run is not None else list(composed.runs)
    if len(folders) > MOST:
        raise ValueError(f"runs: {len(folders)} runs do not fit side by side. Type at most {MOST}.")
    names = names_of([str(Path(folder).expanduser().absolute()) for folder in folders])
    explorers, courses = [], []
    for name, folder in zip(names, folders, strict=True):
        saved = checkpoint.load(folder, composed.checkpoint)
        system = saved.system.to(device_of(composed.device))
        saved = replace(saved, system=system)
        went = course.read(Path(folder).expanduser(), OmegaConf.to_yaml(saved.config))
        channels, height, width = next(drawn(system, [0], batch_size=1)).shape[1:]
        explorers.append(
            Explorer(
                name=name,
                saved=saved,
                system=system,
                reading=reading((channels, height, width), saved.config.data),
                origin=Origin.of(saved, {"_target_": SAMPLES}, batch_size=composed.batch_size),
                usual=went.usual,
                batch_size=composed.batch_size,
            )
        )
        courses.append(went)
    return explorers, courses
