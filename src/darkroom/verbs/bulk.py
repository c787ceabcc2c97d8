"""sample.py to=...: more images of a trained model than anybody looks at."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from darkroom import bulk, checkpoint, config
from darkroom.bulk import Drawing, Edition, Format
from darkroom.checkpoint import SavedRun
from darkroom.evaluation.subject import with_prior
from darkroom.provenance.origin import Origin
from darkroom.sampling import Samples, labels_of
from darkroom.verbs.device import device_of
from darkroom.verbs.sample import number_of, signer_of

MOST = 16  # processes that are begun unasked
WORTH = 4  # parts for each of them: the start of a process takes as long as some parts do


def write(composed: DictConfig) -> None:
    """Draws the images of very many seeds, in parts, by several processes.

    Args:
        composed: A checked sample config with a place for the images.

    Raises:
        ValueError: If it cannot be drawn, with what to type instead.
        OSError: If it cannot be written.
    """
    form = config.build(composed.to)
    if not isinstance(form, Format):
        raise ValueError("to: many images go to=folder, to=zip or to=webdataset.")
    _check_workers(composed.workers)
    saved = checkpoint.load(composed.run, composed.checkpoint)
    composed.label = number_of(composed.label, list(saved.config.class_names))
    draw = config.build(composed.draw)
    if not isinstance(draw, Samples) or composed.images is not None:
        raise ValueError("to: only draw=samples makes many images. Leave out to, or draw=.")
    drawing = _drawing(composed, draw, saved, 0)
    labels_of([], drawing.generator, draw.label)  # refuses a class that there is none of
    place = f"{type(form).__name__.lower()}-{saved.images_seen:010d}"
    edition = Edition(
        folder=Path(composed.folder or saved.path.parents[1] / "drawn" / place),
        first_seed=draw.first_seed,
        n=draw.n,
        size=form.images,
        ending=form.ending,
        facts={
            "format": type(form).__name__,
            "signed": drawing.signer is not None,
            **asdict(drawing.origin),
        },
    )
    edition.open()
    again = partial(_again, OmegaConf.to_yaml(composed), drawing.origin.checkpoint)
    workers = _workers(composed.workers, len(edition.missing()))
    new = bulk.write(edition, form, drawing, again, workers)
    there = f", of which {draw.n - new:,} were there" if new < draw.n else ""
    parts = len(edition.parts)
    print(f"{draw.n:,} images{there}, in {parts:,} part{'s'[: parts != 1]}: {edition.folder}")


def _again(text: str, expected: str, number: int) -> Drawing:
    """The same drawing in the worker of that number.

    Raises:
        ValueError: If the run's checkpoint is another one by now.
    """
    composed = OmegaConf.create(text)
    assert isinstance(composed, DictConfig)
    saved = checkpoint.load(composed.run, composed.checkpoint)
    drawing = _drawing(composed, config.build(composed.draw), saved, number)
    if drawing.origin.checkpoint != expected:
        raise ValueError(
            f"run={composed.run} goes on training, and its {composed.checkpoint} checkpoint is "
            "another one by now. Type checkpoint=best, or wait."
        )
    return drawing


def _drawing(composed: DictConfig, draw: Samples, saved: SavedRun, number: int) -> Drawing:
    if composed.batch_size < 1:
        raise ValueError(f"batch_size={composed.batch_size}: type a number from 1 on, such as 64.")
    device = device_of(composed.device)
    if composed.device in ("auto", device.type) and device.type != "cpu":
        device = torch.device(device.type, number % torch.accelerator.device_count())
    generator = with_prior(saved.system.to(device), composed.prior)
    options = {str(name): value for name, value in composed.draw.items()}
    return Drawing(
        generator,
        Origin.of(saved, options, composed.prior, batch_size=composed.batch_size),
        draw.label,
        draw.truncation,
        composed.batch_size,
        tuple(saved.config.class_names),
        signer_of(composed.provenance),
    )


def _check_workers(typed: int | str) -> None:
    """Raises ValueError if it is neither a number of processes nor auto."""
    if typed != "auto" and (not isinstance(typed, int) or typed < 1):
        raise ValueError(f"workers={typed}: type a number from 1 on, or auto.")


def _workers(typed: int | str, parts: int) -> int:
    """How many processes draw so many parts."""
    if isinstance(typed, int):
        return typed
    return max(1, min(torch.get_num_threads(), MOST, parts // WORTH))
