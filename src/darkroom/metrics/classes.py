"""Which classes the samples have, beside those of real images."""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from darkroom.images import Labels


def class_shares(labels: Labels, classes: int) -> Float64[Tensor, " classes"]:
    """The share of each class among the images.

    Raises:
        ValueError: If there are no images, or if a label is no class.
    """
    return _counts(labels, classes).double() / len(labels)


def classes_reached(labels: Labels, classes: int) -> int:
    """How many classes have at least one image, as the stacked digits' number of modes.

    Source: Metz et al. 2017, arXiv 1611.02163, section 3.3.1.
    """
    return int((_counts(labels, classes) > 0).sum())


def reverse_kl(real: Int64[Tensor, " m"], fake: Int64[Tensor, " n"], classes: int) -> float:
    """KL(fake || real) of the classes' shares, in nats: 0 where they are equal.

        sum over classes of q log(q / p),    p of the real images, q of the fake ones

    A class that no fake image has adds nothing by itself; it is missed by what the others have too
    much. So a generator of one class out of c equal ones gets log c. A class that no real image has
    counts there as half an image, as the divergence would be infinite; nothing else is smoothed.

    Source: Lin et al. 2018 (PacGAN), arXiv 1712.04086, section 4.2.
    """
    q = class_shares(fake, classes)
    counts = _counts(real, classes).double().clamp(min=0.5)
    p = counts / counts.sum()
    return float(torch.special.xlogy(q, q / p).sum())


def class_distance(real: Int64[Tensor, " m"], fake: Int64[Tensor, " n"], classes: int) -> float:
    """Total variation: the share of fake images that would need another class, 0..1."""
    p, q = class_shares(real, classes), class_shares(fake, classes)
    return float((p - q).abs().sum() / 2)


def _counts(labels: Labels, classes: int) -> Int64[Tensor, " classes"]:
    if len(labels) == 0:
        raise ValueError("There are no labels to count. Give at least one image.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ValueError(f"Labels {low} to {high} of {classes} classes: they are 0..{classes - 1}.")
    return torch.bincount(labels, minlength=classes)
