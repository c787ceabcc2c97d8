"""score.py: which images look unusual to a trained VAE."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from omegaconf import DictConfig
from torch import Tensor

from darkroom import checkpoint, config, installation
from darkroom.checkpoint import SavedRun
from darkroom.data import ImageData
from darkroom.data.datasets import ImageSet, PackedSet
from darkroom.evaluation.anomaly import (
    RANKINGS,
    Scores,
    detection_of,
    number_of,
    rankings_of,
    scores_of,
)
from darkroom.images import PerImage, Pixels
from darkroom.provenance import origin
from darkroom.provenance.origin import Origin
from darkroom.reports.scoring import Ranked, Scoring
from darkroom.sampling import Reconstruction
from darkroom.systems import VAE, System
from darkroom.verbs.device import device_of
from darkroom.verbs.given import given

SPLITS = {"training": "train", "held_out": "validation", "test": "test"}
"""What the parts are called in the labels of files."""

COLUMNS = 8  # in a picture: four pairs


def score(composed: DictConfig) -> None:
    """Scores images, and writes a table, their latents, pictures and a report.

    Args:
        composed: A checked score config.

    Raises:
        ValueError: If it cannot be done, with what to type instead.
    """
    _check(composed)
    saved = checkpoint.load(composed.run, composed.checkpoint)
    system = _vae(saved.system, composed)
    rankings = rankings_of(system)
    system.to(device_of(composed.device))
    images = _images(saved, composed.images, composed.split)
    normal = composed.normal
    number = None if normal is None else number_of(str(normal), images.class_names)
    scores = scores_of(system, images, composed.importance, composed.batch_size)
    found = {}
    if number is not None:
        anomalous = scores.labels != number
        found = {name: detection_of(scores.by(name), anomalous) for name in rankings}

    order = scores.by(composed.by).argsort(descending=True, stable=True)
    names = _names(images)
    folder = Path(composed.folder or _folder(saved, composed.images, composed.split))
    folder.mkdir(parents=True, exist_ok=True)
    columns = _columns(scores, composed.by, rankings)
    classes = [images.class_names[k] if images.class_names else "" for k in scores.labels.tolist()]
    _write_table(folder / "scores.csv", order, names, classes, columns)
    _write_latents(folder / "latents.npz", scores, order, names, images.class_names)
    ranked_by = Origin.of(saved, {"score": composed.by}, given=("scored images",))
    ends = {}
    for end, places in (("most", order), ("least", order.flip(0))):
        shown = places[: composed.shown]
        sheet = Reconstruction(len(shown), COLUMNS)(
            system, partial(_at, images, shown), composed.batch_size
        )
        made_by = replace(ranked_by.of_all(sheet.names), image=end)
        origin.save(sheet.grid, folder / f"{end}.png", made_by)
        captions = [f"{names[p]} · {scores.by(composed.by)[p]:.1f}" for p in shown.tolist()]
        ends[end] = Ranked(sheet.pixels, tuple(captions))
    scoring = Scoring(
        subject=str(saved.path),
        images_seen=saved.images_seen,
        scored=_origin(composed.images, composed.split),
        number=len(images),
        by=composed.by,
        bound_name=scores.bound_name,
        note=system.likelihood.note,
        normal=None if normal is None else str(normal),
        found=found,
        **ends,
    )
    scoring.write(folder / "report.html")
    print(f"\n{scoring.text()}\n")
    print(f"table    {folder / 'scores.csv'}\nlatents  {folder / 'latents.npz'}")
    print(f"report   {folder / 'report.html'}")


def _vae(system: System, composed: DictConfig) -> VAE:
    """The run's system, if it can score images as it was asked to.

    Raises:
        ValueError: If it cannot.
    """
    if not isinstance(system, VAE):
        raise ValueError(
            f"run={composed.run} is a {type(system).__name__}, which knows no bound of an image. "
            f"Type the run of a VAE, such as one of {installation.typed('train')} model=sigma_vae."
        )
    rankings = rankings_of(system)
    if composed.by not in rankings:
        raise ValueError(
            f"by={composed.by}: a {type(system.likelihood).__name__} tells no bits of an image. "
            f"Type by={rankings[0]}, or train with model/likelihood=optimal_gaussian."
        )
    return system


def _columns(scores: Scores, by: str, rankings: Sequence[str]) -> dict[str, PerImage]:
    """The numbers of the table, by their titles."""
    columns = {"score": scores.by(by), scores.bound_name: scores.bound}
    columns |= {name: scores.by(name) for name in rankings if name != "bound"}
    if scores.bits_per_dim is not None:
        columns["bits_per_dim"] = scores.bits_per_dim
    return columns


def _check(composed: DictConfig) -> None:
    """Refuses options before anything is computed."""
    if composed.by not in RANKINGS:
        raise ValueError(f"by={composed.by}: type one of {', '.join(RANKINGS)}.")
    if composed.split not in (None, *SPLITS):
        raise ValueError(f"split={composed.split}: type one of {', '.join(SPLITS)}.")
    for option in ("batch_size", "shown"):
        if composed[option] < 1:
            raise ValueError(f"{option}={composed[option]}: type a number from 1 on, such as 16.")


def _images(saved: SavedRun, place: str | None, split: str | None) -> ImageSet:
    """The images that are scored: a part of the run's own, or what is given.

    Raises:
        ValueError: If there are none.
    """
    if place is None:
        data: ImageData = config.build(saved.config.data)
        data.setup()
        part: ImageSet = getattr(data, split or "held_out")
        if not len(part):
            raise ValueError(f"split={split}: the run's data have no such part. Leave it out.")
        return part
    images = given(saved, place, classes=True)
    there = sorted({known for known in images.splits if known is not None})
    if split is None:
        if len(there) > 1:
            print(
                f"images={place}: its folders are called {', '.join(there)}, and all of them are "
                "scored. Type split=test for those that nothing was trained on."
            )
        return images
    return _part(images, place, split)


def _part(images: PackedSet, place: str, split: str) -> PackedSet:
    """The images in the folder of one split.

    Raises:
        ValueError: If there is none.
    """
    chosen = [k for k, known in enumerate(images.splits) if known == SPLITS[split]]
    if not chosen:
        raise ValueError(
            f"split={split}: images={place} has no folder of that name with images in it. Leave "
            "split out."
        )
    return images.subset(torch.tensor(chosen))


def _names(images: ImageSet) -> Sequence[str]:
    """The files, or the places of images that have none."""
    if isinstance(images, PackedSet):
        return images.names
    return [f"{place:06d}" for place in range(len(images))]


def _origin(place: str | None, split: str | None) -> str:
    """What is scored, in words."""
    if place is None:
        return f"the run's {(split or 'held_out').replace('_', '-')} images"
    return f"images of {place}{f', {split}' if split else ''}"


def _folder(saved: SavedRun, place: str | None, split: str | None) -> Path:
    """One for each set of images and checkpoint."""
    words = [Path(place).stem] if place is not None else []
    words += [split] if split is not None else [] if place is not None else ["held_out"]
    words.append(f"{saved.images_seen:010d}")
    return saved.path.parents[1] / "scores" / "-".join(words)


def _write_table(
    path: Path,
    order: Int64[Tensor, " batch"],
    names: Sequence[str],
    classes: Sequence[str],
    columns: Mapping[str, PerImage],
) -> None:
    """A row for each image, the most unusual first."""
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "class", *columns])
        for place in order.tolist():
            numbers = (f"{float(column[place]):.6g}" for column in columns.values())
            writer.writerow([names[place], classes[place], *numbers])


def _write_latents(
    path: Path,
    scores: Scores,
    order: Int64[Tensor, " batch"],
    names: Sequence[str],
    class_names: Sequence[str],
) -> None:
    """The encoder's means, in the order of the table; read by `numpy.load`."""
    written = [names[place].encode("utf-8", "replace").decode() for place in order.tolist()]
    np.savez(
        path,
        names=np.array(written),
        latents=scores.latents[order].numpy(),
        labels=scores.labels[order].numpy(),
        class_names=np.array(class_names, dtype=np.str_),
    )


def _at(images: ImageSet, places: Int64[Tensor, " places"], n: int) -> Pixels:
    """The first n of some images of a set."""
    return images.pixels_at(places[:n])
