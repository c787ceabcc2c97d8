"""Which images are trained on, which are held back, and which are kept for the very end."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from darkroom import randomness

Places = Int64[Tensor, " _"]  # each part has a size of its own


@dataclass(frozen=True)
class Division:
    """Places of images in a set; no place is in two parts.

    Attributes:
        training: What models learn from.
        held_out: What they are judged by while they learn.
        test: What nothing looks at before the end; empty unless the user set some apart.
    """

    training: Places
    held_out: Places
    test: Places


def divide(
    length: int,
    share: float,
    seed: int,
    splits: Sequence[str | None] = (),
    groups: Sequence[str | None] = (),
) -> Division:
    """Divides a set, as the user did or else at random.

    Args:
        length: Images in the set.
        share: Share of the training images that is held out, where the user held out none.
        seed: Seed of the choice.
        splits: train, validation or test for each image, or None; empty if all is open.
        groups: Images with the same name of a group are held out together or not at all; None for
            an image on its own; empty if all are. If no group is as small as the share, the
            smallest is held out.
    """
    given = splits or [None] * length
    of = {
        name: torch.tensor([k for k, split in enumerate(given) if split in names], dtype=torch.long)
        for name, names in {
            "open": (None, "train"),
            "validation": ("validation",),
            "test": ("test",),
        }.items()
    }
    if len(of["validation"]):
        return Division(of["open"], of["validation"], of["test"])
    members: dict[str | int, list[int]] = {}
    for place in of["open"].tolist():
        group = groups[place] if groups else None
        members.setdefault(place if group is None else group, []).append(place)
    clusters = list(members.values())
    wanted = round(share * len(of["open"]))
    held_out: list[int] = []
    training: list[int] = []
    for number in randomness.permutation(len(clusters), seed, "split").tolist():
        fits = len(held_out) + len(clusters[number]) <= wanted
        (held_out if fits else training).extend(clusters[number])
    if not held_out and wanted and len(clusters) > 1:  # all groups are larger than the share
        held_out = min(clusters, key=len)
        training = [place for place in training if place not in set(held_out)]
    return Division(
        torch.tensor(training, dtype=torch.long),
        torch.tensor(held_out, dtype=torch.long),
        of["test"],
    )
