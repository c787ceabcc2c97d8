"""How unusual images look to a latent model, and how well that tells what is known of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor
from torchmetrics.functional.classification import binary_average_precision, binary_roc

from darkroom.data.datasets import ImageSet
from darkroom.evaluation.extraction import bar_of
from darkroom.evaluation.latents import MOST_SAMPLES, Terms
from darkroom.evaluation.record import Number
from darkroom.images import Labels, Latents, PerImage, Pixels, pil, to_float
from darkroom.objectives import bits_per_dim
from darkroom.randomness import Noise, key
from darkroom.systems import VAE

RANKINGS = ("bound", "distortion", "rate", "complexity", "excess")
"""What images can be ranked by, as attributes of `Scores`."""

CONFIDENCE = 1.96  # standard errors to either side of a 95% interval

Anomalous = Bool[Tensor, " batch"]


@dataclass(frozen=True)
class Scores:
    """Numbers for each image, each the higher the more unusual it looks.

    Attributes:
        bound: The negative ELBO, or the importance-weighted bound, in nats.
        distortion: -log p(x|z) in nats: what is left of the image beside the latents.
        rate: KL(q(z|x) || p(z)) in nats: how far its latents are from the usual ones.
        complexity: The bits of the image as a PNG file.
        bits_per_dim: The bound in bits for each colour of a pixel; None where the likelihood tells
            no bits.
        excess: What the bound takes more than the PNG file, in bits; None likewise.
        latents: The encoder's means.
        labels: The classes of the images; 0 where they have none.
        importance: Samples of the posterior behind each number.
    """

    bound: PerImage
    distortion: PerImage
    rate: PerImage
    complexity: PerImage
    bits_per_dim: PerImage | None
    excess: PerImage | None
    latents: Latents
    labels: Labels
    importance: int

    def by(self, ranking: str) -> PerImage:
        """The numbers of one of `rankings_of` the model."""
        ranked: PerImage = getattr(self, ranking)
        return ranked

    @property
    def bound_name(self) -> str:
        """What the bound is called elsewhere."""
        return "negative_elbo" if self.importance == 1 else f"iw_bound_{self.importance}"


def rankings_of(system: VAE) -> tuple[str, ...]:
    """What images can be ranked by with a model: bits of a file are nothing to a cross-entropy."""
    bits = system.likelihood.level_width is not None
    return tuple(ranking for ranking in RANKINGS if bits or ranking != "excess")


@torch.inference_mode()
def scores_of(
    system: VAE,
    images: ImageSet,
    importance: int = 1,
    batch_size: int = 64,
    progress: bool = True,
) -> Scores:
    """Scores of images, by the averaged weights.

    All images get the same noise, that of their samples' numbers: so the score of an image depends
    on that image alone and not on what else lies in its folder, and the noise makes less of a
    difference between two images. A model that is told of classes takes the class that explains an
    image best.

    A low density is no proof: models give smooth, dark or flat images a better bound than others,
    even where they have never seen such images. `excess` corrects for that by the size of a PNG
    file, which knows complexity and nothing else.

    Args:
        system: The model.
        images: The images; only a batch at a time is in memory.
        importance: Samples of the posterior for each image.
        batch_size: Images that are computed at once.
        progress: Whether to show it.

    Raises:
        ValueError: If an option makes no sense.

    Source: Nalisnick et al. 2019, arXiv 1810.09136, for densities of what was never seen; Serra et
    al. 2020, arXiv 1909.11480, equation 2, for the correction by a compressor.
    """
    if not 1 <= importance <= MOST_SAMPLES:
        raise ValueError(f"importance={importance}: type a number of samples, such as 1 or 50.")
    columns: list[tuple[Tensor, ...]] = []
    with bar_of(len(images), "scores", progress) as bar:
        for places in torch.arange(len(images)).split(batch_size):
            pixels, labels, *_ = images[torch.zeros_like(places), places]
            terms, latents = _terms(system, pixels, importance)
            rate = torch.stack([level.mean(0) for level in terms.rates]).sum(0)
            distortion = terms.distortion.mean(0)
            bound = distortion + rate if importance == 1 else terms.iw_bound(importance)
            columns.append((bound, distortion, rate, complexity_of(pixels), latents, labels))
            bar.update(len(places))
    bound, distortion, rate, complexity, latents, labels = map(
        torch.cat, zip(*columns, strict=True)
    )
    dimensions, width = math.prod(images.shape), system.likelihood.level_width
    per_dim = None if width is None else bits_per_dim(bound, dimensions, width)
    return Scores(
        bound=bound,
        distortion=distortion,
        rate=rate,
        complexity=complexity,
        bits_per_dim=per_dim,
        excess=None if per_dim is None else per_dim * dimensions - complexity,
        latents=latents,
        labels=labels,
        importance=importance,
    )


def _terms(system: VAE, pixels: Pixels, samples: int) -> tuple[Terms, Latents]:
    """The bound's terms of some images, and their latents."""
    raw = to_float(pixels)
    x, labels = system.here(raw, system.likeliest(raw))
    together = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    noisy = system.likelihood.dequantised(x, Noise(key("score", "dequantisation"), together))
    bounds = [
        system.bound(
            system.developer, noisy, Noise(key("score", "posterior"), together + sample), labels
        )
        for sample in range(samples)
    ]
    terms = Terms(
        distortion=_stacked([bound.distortion for bound in bounds]),
        rates=tuple(map(_stacked, zip(*(bound.rates for bound in bounds), strict=True))),
        log_weight=_stacked([bound.log_weight for bound in bounds]),
    )
    return terms, system.developer.encode(x, labels).float().cpu()


def _stacked(terms: Sequence[PerImage]) -> Tensor:
    return torch.stack([term.double().cpu() for term in terms])


def complexity_of(pixels: Pixels) -> PerImage:
    """The bits of each image as a PNG file."""
    sizes = []
    for image in pixels:
        buffer = BytesIO()
        pil(image).save(buffer, "PNG", optimize=True)
        sizes.append(8 * buffer.tell())
    return torch.tensor(sizes, dtype=torch.float64)


@dataclass(frozen=True)
class Detection:
    """How well a score tells anomalous images from normal ones.

    Attributes:
        auroc: How often an anomalous image scores higher than a normal one, ties counted half.
        interval: Its 95% interval.
        average_precision: The mean precision over recalls; `floor` of it is what chance gets.
        true_positives: Share of the anomalous images that are found with 0, 1, ... 100% false
            alarms.
    """

    auroc: Number
    interval: tuple[float, float]
    average_precision: Number
    true_positives: Float64[np.ndarray, "101"]


def detection_of(scores: PerImage, anomalous: Anomalous) -> Detection:
    """Judges a score by what is known of the images.

    With V_a the share of the normal images that score lower than the anomalous image a, and V_n
    the share of the anomalous ones that score higher than the normal image n,

        AUROC = mean V_a = mean V_n,   variance = var(V_a) / anomalous + var(V_n) / normal

    The interval is that of the logit of the AUROC, so that it stays within 0..1.

    Raises:
        ValueError: If one of the kinds has fewer than two images.

    Source: DeLong et al. 1988, Biometrics 44, 837-845, in the form of its placements.
    """
    a, n = scores[anomalous].double(), scores[~anomalous].double()
    if min(len(a), len(n)) < 2:
        raise ValueError(
            f"{len(n)} normal and {len(a)} other images: two of each are needed for an AUROC."
        )
    lower, higher = _share_below(a, n), 1 - _share_below(n, a)
    auroc = float(lower.mean())
    error = math.sqrt(float(lower.var()) / len(a) + float(higher.var()) / len(n))
    # torchmetrics takes numbers outside of 0..1 for logits, whose sigmoids would all be 1
    ranks = torch.unique(scores, return_inverse=True)[1].double() / len(scores)
    fpr, tpr, _ = binary_roc(ranks, anomalous.long())
    share = float(anomalous.double().mean())
    precision = float(binary_average_precision(ranks, anomalous.long()))
    percents = torch.arange(101, dtype=torch.float64) / 100
    reached = torch.searchsorted(fpr.double().contiguous(), percents + 1e-6, right=True) - 1
    return Detection(
        Number(auroc, "higher", error),
        _logit_interval(auroc, error),
        Number(precision, "higher", floor=share),
        tpr[reached].double().numpy(),
    )


def _share_below(values: PerImage, of: Tensor) -> PerImage:
    """Which share of some numbers is lower than each value; of equal ones a half."""
    ordered = of.sort().values
    below = torch.searchsorted(ordered, values, right=False)
    return (below + torch.searchsorted(ordered, values, right=True)) / (2 * len(of))


def _logit_interval(share: float, error: float) -> tuple[float, float]:
    if not 0 < share < 1:
        return share, share
    middle, reach = math.log(share / (1 - share)), CONFIDENCE * error / (share * (1 - share))
    low, high = (1 / (1 + math.exp(-end)) for end in (middle - reach, middle + reach))
    return low, high


def number_of(normal: str, class_names: Sequence[str]) -> int:
    """The number of the class that is called normal.

    Raises:
        ValueError: If there is none of that name.
    """
    if normal not in class_names:
        remedy = (
            f"The classes are {', '.join(class_names)}."
            if class_names
            else "Sort them into a folder for each class, or leave normal out."
        )
        raise ValueError(f"normal={normal}: the images have no such class. {remedy}")
    return class_names.index(normal)
