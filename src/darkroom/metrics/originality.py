"""Does it copy? Samples beside the images that it was trained on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from darkroom import randomness
from darkroom.images import Features
from darkroom.metrics.neighbours import nearest

ACCUSED_BY_CHANCE = 0.01
"""The share of images that are no copies and would be accused, where nature has no duplicates."""

HELD_OUT = 50
"""With fewer held-out images there is no verdict: what is close cannot be told from so few."""

CLOSER = -3.0
"""C_T below which samples are closer to the training images than chance allows."""

Distances = Float64[Tensor, " images"]


@dataclass(frozen=True)
class Originality:
    """The audit of a generator's samples.

    Attributes:
        features: In whose features; copies are alike in some and not in others.
        samples: How many were judged.
        accused: Share of the samples that are too close to a training image.
        expected: The same of held-out images, which are no copies.
        copied: Estimated share of copies, beyond what is expected.
        interval: Its 95% confidence interval, low and high.
        c_t: The data-copying test, a Z score; far below 0 means closer than held-out images.
        authentic: Share of samples that are farther from their nearest training image than that
            image is from its own nearest (AuthPct, 0..1).
        authentic_floor: The same of held-out images.
        pairs: The most suspicious ones: place of the sample, place of the training image, and the
            calibrated distance (1: as far as the sample's next training images; 0: the same image).
        verdict: In words.
    """

    features: str
    samples: int
    accused: float
    expected: float
    copied: float
    interval: tuple[float, float]
    c_t: float
    authentic: float
    authentic_floor: float
    pairs: Sequence[tuple[int, int, float]]
    verdict: str


def audit(
    training: Float[Tensor, "n d"],
    held_out: Float[Tensor, "m d"],
    samples: Float[Tensor, "s d"],
    features: str = "",
    pairs: int = 16,
    k: int = 50,
) -> Originality:
    """Whether samples are copies of training images.

    A sample is accused if its calibrated distance to the nearest training image is smaller than
    that of nearly all held-out images (see `calibrated` and `threshold`). Nature has
    near-duplicates, so held-out images are accused as well, and only the excess is called copied:

        copied = (accused - expected) / (1 - expected)

    with Newcombe's interval of a difference of two shares. Copies that are farther from their
    original than natural duplicates are from each other, such as crops, are found as far as the
    features find them alike.

    Args:
        training: [n, d]. Features of what it was trained on, n >= 3.
        held_out: [m, d]. Of images from the same source that it never saw, m > 0.
        samples: [s, d]. Of what it made, s > 0.
        features: What made the features.
        pairs: How many of the most suspicious pairs to report.
        k: Nearest training images beside the first that the distance is calibrated with; fewer if
            there are fewer.

    Raises:
        ValueError: If there are too few images of a kind to compute anything.
    """
    _refuse_too_few("training", len(training), 3)
    _refuse_too_few("held-out", len(held_out), 1)
    _refuse_too_few("generated", len(samples), 1)
    neighbours = min(k + 1, len(training))
    near, places = nearest(samples, training, neighbours)
    near_held, places_held = nearest(held_out, training, neighbours)
    scores, scores_held = calibrated(near), calibrated(near_held)
    limit = threshold(scores_held)
    accused, accused_held = int((scores <= limit).sum()), int((scores_held <= limit).sum())
    copied, interval = excess(accused, len(samples), accused_held, len(held_out))
    c_t = copying_test(training, held_out, samples, near_held[:, 0], near[:, 0])
    own = _own_distances(training, torch.cat([places[:, 0], places_held[:, 0]]))
    worst = scores.argsort(stable=True)[:pairs].tolist()
    expected = accused_held / len(held_out)
    return Originality(
        features=features,
        samples=len(samples),
        accused=accused / len(samples),
        expected=expected,
        copied=copied,
        interval=interval,
        c_t=c_t,
        authentic=_share(near[:, 0] > own[: len(samples)]),
        authentic_floor=_share(near_held[:, 0] > own[len(samples) :]),
        pairs=[(i, int(places[i, 0]), float(scores[i])) for i in worst],
        verdict=_verdict(len(samples), len(held_out), expected, copied, interval, c_t),
    )


def _refuse_too_few(kind: str, images: int, least: int) -> None:
    """Raises ValueError if nothing could be computed of so few images."""
    if images < least:
        raise ValueError(
            f"{images} {kind} images: an audit needs {least}, and a verdict {HELD_OUT} held-out "
            "ones."
        )


def calibrated(distances: Float64[Tensor, "images k"]) -> Distances:
    """The nearest distance as a share of the mean of the next ones, 0..1.

    Flat images are close to everything, and detailed ones are far from everything, so a distance
    alone accuses the flat ones. 0 also where all distances are 0.

    Args:
        distances: Of each image to its nearest training images, ascending, k > 1.

    Source: Carlini et al. 2023, arXiv 2301.13188, section 5.1: there with a factor alpha = 1/2,
    which a calibrated threshold makes unnecessary.
    """
    others = distances[:, 1:].mean(1)
    return torch.where(others > 0, distances[:, 0] / others, 0.0)


def threshold(held_out: Distances) -> float:
    """The calibrated distance up to which an image is accused.

    The 1% quantile of the held-out images, so that 1 in 100 of them is accused. The i-th of m
    sorted ones is taken for the quantile i / (m + 1), which is where it lies on average, and below
    the first the quantiles run straight to a distance of 0. So with few held-out images the
    threshold is stricter than any of them.

    Where nature has many duplicates, that quantile would be among them, and no copy would differ
    from a duplicate. So the threshold is never smaller than what the body of the distribution
    lets expect: near 0 distances are distributed like t^D, where D, the number of
    directions in which images differ, follows from the quartile and the median. The duplicates
    below it are then among the expected ones.
    """
    ordered = held_out.sort().values

    def quantile(share: float) -> float:
        place = share * (len(ordered) + 1)
        known = torch.cat([ordered.new_zeros(1), ordered, ordered[-1:]])
        below = min(int(place), len(ordered))
        return float(known[below].lerp(known[below + 1], place - below))

    strict, quartile, median = quantile(ACCUSED_BY_CHANCE), quantile(0.25), quantile(0.5)
    if quartile == 0:  # a quarter of them are training images: there is no body
        return strict
    # F(t) = c t^D through both: D = log 2 / log(median / quartile)
    by_body = quartile * (ACCUSED_BY_CHANCE / 0.25) ** (math.log2(median / quartile))
    return max(strict, by_body)


def excess(
    accused: int, samples: int, accused_held: int, held_out: int
) -> tuple[float, tuple[float, float]]:
    """The share of copies that explains the accusations, and its 95% interval, within 0..1.

    Source: Newcombe 1998, "Interval estimation for the difference between independent proportions",
    method 10; Wilson 1927 for either share.
    """
    p, q = accused / samples, accused_held / held_out
    if q == 1:  # held-out images are all accused, so nothing can be told
        return 0.0, (0.0, 1.0)
    p_low, p_high = _wilson(p, samples)
    q_low, q_high = _wilson(q, held_out)
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    copied, low, high = (min(1.0, max(0.0, share / (1 - q))) for share in (p - q, low, high))
    return copied, (low, high)


def copying_test(
    training: Float[Tensor, "n d"],
    held_out: Float[Tensor, "m d"],
    samples: Float[Tensor, "s d"],
    near_held: Float64[Tensor, " m"],
    near: Float64[Tensor, " s"],
    cells: int = 10,
    least: int = 20,
) -> float:
    """C_T: whether samples are closer to training images than held-out images are, as a Z score.

        U   = pairs in which the sample is farther than the held-out image; equal ones count half
        Z   = (U - m s / 2) / sqrt(m s (m + s + 1) / 12)
        C_T = sum over cells of (share of held-out images) Z / sum of these shares

    The cells are k-means of the training images, so that a generator that copies in one place and
    underfits in another does not come out even. Cells with too few images are left out; if all have
    too few, everything is one cell. About 0 for fresh images, and below -3 hardly by chance;
    typical images, such as averages, are closer too without being copies.

    Args:
        training: [n, d].
        held_out: [m, d].
        samples: [s, d].
        near_held: [m]. Distance of each held-out image to the nearest training image.
        near: [s]. The same of the samples.
        cells: Number of cells; fewer if there are too few held-out images to fill them.
        least: Images of each kind that a cell needs.

    Source: Meehan, Chaudhuri and Dasgupta 2020, arXiv 2004.05675, sections 3 and 4.
    """
    cells = max(1, min(cells, len(held_out) // least, len(training)))
    cell_held, cell = _cells(training, [held_out, samples], cells)
    shares, scores = [], []
    for number in range(cells):
        a, b = near_held[cell_held == number], near[cell == number]
        if min(len(a), len(b)) >= least:
            shares.append(len(a) / len(held_out))
            scores.append(_mann_whitney(a, b))
    if not shares:
        return _mann_whitney(near_held, near)
    return sum(p * z for p, z in zip(shares, scores, strict=True)) / sum(shares)


def _cells(training: Features, others: Sequence[Tensor], cells: int) -> list[Int64[Tensor, "..."]]:
    """The cell of each image: the nearest of the centres of the training images."""
    from sklearn.cluster import KMeans  # a slow import, needed here alone

    if cells == 1:
        return [torch.zeros(len(features), dtype=torch.int64) for features in others]
    # centres of cells are means of hundreds of images: 5,000 show them, whatever the data set
    some = training[randomness.permutation(len(training), "cells")[:5_000]].float()
    draws = randomness.key("k-means") % 2**32  # scikit-learn seeds a generator of its own with it
    kmeans = KMeans(cells, n_init=1, random_state=draws).fit(some.cpu().numpy())
    centres = torch.from_numpy(kmeans.cluster_centers_).to(training.device)
    return [nearest(features, centres, 1)[1][:, 0] for features in others]


def _mann_whitney(a: Float64[Tensor, " m"], b: Float64[Tensor, " s"]) -> float:
    """How many standard deviations more often b is larger than a than it would be by chance."""
    ordered, b = a.sort().values, b.contiguous()
    less = torch.searchsorted(ordered, b)
    no_more = torch.searchsorted(ordered, b, right=True)
    u = float((less + no_more).sum()) / 2
    m, s = len(a), len(b)
    return (u - m * s / 2) / math.sqrt(m * s * (m + s + 1) / 12)


def _own_distances(training: Features, places: Int64[Tensor, " images"]) -> Distances:
    """How far the training images at these places are from their nearest other training image."""
    unique, back = places.unique(return_inverse=True)
    distances, _ = nearest(training[unique], training, 1, own=unique)
    return distances[back, 0]


def _wilson(share: float, n: int) -> tuple[float, float]:
    z = 1.959964  # 95%, two-sided
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def _share(of: Tensor) -> float:
    return float(of.double().mean())


def _verdict(
    samples: int,
    held_out: int,
    expected: float,
    copied: float,
    interval: tuple[float, float],
    c_t: float,
) -> str:
    low, high = interval
    about = f"about {_percent(copied)} ({_percent(low)} to {_percent(high)})"
    if held_out < HELD_OUT:
        return (
            f"No verdict: with {held_out} held-out images nobody knows how close images of this "
            f"kind come by nature. Hold out at least {HELD_OUT}, better 500."
        )
    if expected > 0.5:
        return (
            f"No verdict: {_percent(expected)} of the held-out images are duplicates of training "
            "images themselves. Hold out others."
        )
    if low >= 0.5:
        return f"It copies its training images: {about} of the samples are copies."
    if low >= ACCUSED_BY_CHANCE:
        return f"Some samples are copies: {about} of them."
    if low > 0:
        return (
            f"Hardly any copies: {about} of the samples are closer to a training image than "
            "held-out images explain. Look at the pairs."
        )
    if high > 0.1:
        return (
            f"No verdict: with {samples} samples and {held_out} held-out images, up to "
            f"{_percent(high)} copies would go unnoticed. Judge more samples."
        )
    if c_t < CLOSER:
        return (
            f"Unclear: no more samples than held-out images ({_percent(expected)}) are as close to "
            "a training image as a copy, but as a whole they are closer than held-out images are "
            f"(C_T {c_t:.1f}). Blurred or typical images are, and so are altered copies: look at "
            "the pairs."
        )
    # where much is expected and nothing found, the interval can end at 0, which promises too much
    unnoticed = f"up to {_percent(high)}" if high >= 0.0005 else "fewer than 1%"
    return (
        "No sign of copying: no more samples are close to a training image than held-out images "
        f"are ({_percent(expected)}); {unnoticed} copies would go unnoticed."
    )


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.1f}%" if 0 < percent < 9.95 else f"{percent:.0f}%"
