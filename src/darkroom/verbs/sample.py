"""sample.py: images of a trained model."""

from pathlib import Path

from omegaconf import DictConfig

from darkroom import checkpoint, config
from darkroom.evaluation.subject import with_prior
from darkroom.provenance import origin
from darkroom.provenance.credentials import Signer
from darkroom.provenance.origin import Origin
from darkroom.sampling import Classes, Samples, Sheet, labels_of
from darkroom.systems import System
from darkroom.verbs.device import device_of
from darkroom.verbs.drawing import LOOKING, Material


def sample(composed: DictConfig) -> None:
    """Draws images of a run, as a grid and one by one, each of which says what made it.

    Args:
        composed: A checked sample config.

    Raises:
        ValueError: If it cannot be drawn, with what to type instead.
    """
    if composed.batch_size < 1:
        raise ValueError(f"batch_size={composed.batch_size}: type a number from 1 on, such as 64.")
    signer = signer_of(composed.provenance)
    saved = checkpoint.load(composed.run, composed.checkpoint)
    system = with_prior(saved.system.to(device_of(composed.device)), composed.prior)
    composed.label = number_of(composed.label, list(saved.config.class_names))
    draw = config.build(composed.draw)
    if composed.images is not None and not isinstance(draw, LOOKING):
        raise ValueError(
            f"images={composed.images}: this drawing looks at no images. Type draw=inversion, "
            "draw=reconstruction or draw=attribute, or leave images out."
        )
    made_by = Origin.of(
        saved,
        {str(name): value for name, value in composed.draw.items()},
        prior=composed.prior,
        given=() if composed.images is None else ("images",),
        batch_size=composed.batch_size,
    )
    sheet: Sheet = draw(system, Material(saved, composed.images), composed.batch_size)
    name = f"{type(draw).__name__.lower()}-{saved.images_seen:010d}"
    if system is not saved.system:
        name += "-standard_prior"
    folder = Path(composed.folder or saved.path.parents[1] / "drawn" / name)
    origins = _origins(made_by, draw, system, sheet)
    for pixels, file, each in zip(sheet.pixels, sheet.names, origins, strict=True):
        origin.save(pixels, folder / f"{file}.png", each, signer)
    origin.save(sheet.grid, folder / "grid.png", made_by.of_all(sheet.names), signer)
    if sheet.found is not None:
        sheet.found.write(folder)
    print(
        f"{len(sheet.pixels)} images of {saved.path} in {folder}, together in {folder / 'grid.png'}"
        + (f"\n{sheet.note}" if sheet.note else "")
    )


def _origins(made_by: Origin, draw: object, system: System, sheet: Sheet) -> list[Origin]:
    """What made each image of a sheet; one that has a seed of its own is drawn by that alone."""
    if not isinstance(draw, Samples | Classes):
        return [made_by.named(name) for name in sheet.names]
    seeds = range(draw.first_seed, draw.first_seed + draw.n)
    rows = range(len(sheet.names) // draw.n) if isinstance(draw, Classes) else [draw.label]
    return [
        made_by.sampled(seed, None if labels is None else int(labels[k]), draw.truncation)
        for row in rows
        for labels in [labels_of(seeds, system, row)]
        for k, seed in enumerate(seeds)
    ]


def signer_of(provenance: DictConfig) -> Signer | None:
    """What signs images, if that is asked for.

    Raises:
        ValueError: If it cannot, or only half of it is there.
    """
    if provenance.certificate is None and provenance.key is None:
        return None
    for option, other in (("certificate", "key"), ("key", "certificate")):
        if provenance[option] is None:
            raise ValueError(
                f"provenance.{other}={provenance[other]}: type provenance.{option}=<PEM file> too."
            )
    return Signer(provenance.certificate, provenance.key, provenance.timestamp)


def number_of(label: int | str | None, names: list[str]) -> int | None:
    """The class that a user means, by its name or its number.

    Raises:
        ValueError: If no class has the name.
    """
    if label is None or isinstance(label, int):
        return label
    if label not in names:
        known = f"It draws {', '.join(names)}" if names else "It was not told of any classes"
        raise ValueError(f"label={label}: this model draws no such class. {known}.")
    return names.index(label)
