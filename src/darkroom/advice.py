"""What to type, given what a set of images is like.

The rules are few and plain. Each gives an override and its reason, from counts that were taken and
not from taste; numbers that were measured stand in `benchmarks/`.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from darkroom import installation
from darkroom.inspection import Inspection

FEW = 2000  # images: fewer are soon known by heart
PASSES = 200  # over the data: what a small generator needs to settle
GOOD = {"rpgan": "nearer to real images than gan after equal work (benchmarks/)"}  # why a model
LEAST, MOST = 400_000, 2_000_000  # images to train on, whatever the passes


@dataclass(frozen=True)
class Advice:
    """A command.

    Attributes:
        overrides: What to type behind `python train.py`.
        reasons: Why, for each override that is not the user's own.
    """

    overrides: list[str]
    reasons: dict[str, str]

    @property
    def command(self) -> str:
        return " ".join([installation.typed("train"), *map(_quoted, self.overrides)])


def advise(
    found: Inspection, typed: Sequence[str], model: str, accelerated: bool, table: str | None
) -> Advice:
    """The command that suits the images.

    Args:
        found: The inspection.
        typed: The overrides that the user typed, which are kept.
        model: Name of the model's config.
        accelerated: Whether this machine has a GPU or the like.
        table: A CSV file that keeps near-duplicates together; None if there is none, or the user
            has groups already.
    """
    channels, height, width = found.shape
    side = str(height) if height == width else f"[{height},{width}]"
    art = f"pixel art, before it was enlarged {found.shrunk} times"
    reasons = {
        f"data.resolution={side}": art if found.shrunk > 1 else "the size they were packed with",
        f"data.channels={channels}": {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}[
            channels
        ],
    }
    if found.leaks and not found.given_split and table is not None:
        reasons[f"data.table={table}"] = (
            f"keeps {len(found.similar)} groups of near-duplicates on one side of the split"
        )
    if found.shallow and "data=streaming" not in typed:
        reasons["data.value_range=percentile"] = "files of 16 bits use few of them"
    if found.mirror and found.mirror.harmless:
        reasons["augmentation=flip"] = "mirrored images cannot be told from the others"
    elif found.images < FEW:
        reasons["augmentation=wobble"] = f"{found.images} images are few"
    learning = found.splits["training"]
    batch = 256 if accelerated and learning >= 10 * FEW else 64
    while batch > 8 and batch * 8 > learning:
        batch //= 2
    reasons[f"data.batch_size={batch}"] = f"{learning} images to learn from"
    if model == "gan" and (found.images < FEW or (not accelerated and height * width > 48 * 48)):
        reason = "few images need no large networks" if found.images < FEW else "no GPU here"
        reasons["model.generator.width=32"] = reason
        reasons["model.discriminator.width=32"] = reason
    budget = min(max(PASSES * learning, LEAST), MOST)
    reasons[f"trainer.max_images={round(budget, -4)}"] = f"{budget / max(learning, 1):.0f} passes"
    chosen = {_name(override) for override in typed}
    if "data.augmentation" in chosen:
        chosen.add("augmentation")
    settled = {"data.resolution", "data.channels"}  # as packed
    reasons = {
        override: reason
        for override, reason in reasons.items()
        if _name(override) in settled or _name(override) not in chosen
    }
    kept = [override for override in typed if _name(override) not in settled]
    source = [] if "data" in chosen else ["data=folder"]
    chosen_model = f"model={model}"
    why = {chosen_model: GOOD[model]} if model in GOOD else {}
    return Advice([chosen_model, *source, *kept, *reasons], why | reasons)


def _name(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def _quoted(override: str) -> str:
    """As a shell takes it."""
    name, equals, value = override.partition("=")
    if "'" in value and not set(value) & set('"$`\\!'):  # quotes for Hydra, which stay legible
        return f'{shlex.quote(name)}="{value}"'
    return f"{shlex.quote(name)}{equals}{shlex.quote(value) if value else ''}"
