"""Quality, diversity and classes: samples against real images, in the features of one network."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from statistics import mean, pvariance, stdev

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from darkroom.evaluation.record import Number
from darkroom.images import Labels
from darkroom.metrics import (
    Estimate,
    Manifold,
    Moments,
    class_distance,
    class_shares,
    classes_reached,
    extrapolated_frechet_distance,
    frechet_distance,
    kernel_distance_with_error,
    overlap,
    reverse_kl,
)

BLOCK, BLOCKS = 1000, 10  # images in a block of the kernel distance at most, and blocks at least
SUBSETS = 5  # of samples, for what depends on their number
GROUPS = 20  # of samples, each of which is left out once
NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5
FEWEST = 30  # images of a class that its numbers need
STRAIGHT = 4  # times as many images as features, from where on the bias of FD falls as 1 / number


def quality(
    reference: Float[Tensor, "n d"],
    held_out: Float[Tensor, "m d"],
    samples: Float[Tensor, "s d"],
    instrument: str,
) -> dict[str, Number]:
    """Every number of samples against a reference, with what unseen real images get instead.

    Args:
        reference: [n, d]. Features of real images.
        held_out: [m, d]. Of other real images, which stand in for samples: the floors.
        samples: [s, d]. Of the samples.
        instrument: Name of the features, which the names of the numbers carry.
    """
    numbers = _frechet(reference, held_out, samples)
    kid, floor = _kernel(reference, samples), _kernel(reference, held_out)
    numbers["kid"] = Number(kid.value, "lower", kid.error, floor.value)
    numbers |= _overlap(reference, held_out, samples)
    return {named(metric, instrument): number for metric, number in numbers.items()}


def named(metric: str, instrument: str) -> str:
    """The name of a number: only the Frechet distance of the network of FID is called FID."""
    if instrument == "inception" and metric.startswith("fd"):
        return metric.replace("fd", "fid", 1)
    return f"{metric}_{instrument}"


def _frechet(
    reference: Float[Tensor, "n d"], held_out: Float[Tensor, "m d"], samples: Float[Tensor, "s d"]
) -> dict[str, Number]:
    """The distance at the full number of samples, and without the bias of that number.

    The first has a floor only where there are as many held-out images as samples. The second is
    left out where too few images leave its bias no straight line.
    """
    real = Moments.of(reference)
    same_number = len(held_out) == len(samples)
    floor = frechet_distance(real, Moments.of(held_out)) if same_number else None
    numbers = {"fd": Number(frechet_distance(real, Moments.of(samples)), "lower", None, floor)}
    straight = STRAIGHT * reference.shape[1]
    if len(samples) >= straight:
        limit = extrapolated_frechet_distance(real, samples)
        enough = len(held_out) >= straight
        floor = extrapolated_frechet_distance(real, held_out).value if enough else None
        numbers["fd_infinity"] = Number(limit.value, "lower", limit.error, floor)
    return numbers


def _kernel(reference: Float[Tensor, "n d"], samples: Float[Tensor, "s d"]) -> Estimate:
    """The distance in blocks, as large as leave enough of them to tell the error from."""
    fewest = min(len(reference), len(samples))
    return kernel_distance_with_error(reference, samples, max(2, min(BLOCK, fewest // BLOCKS)))


def _overlap(
    reference: Float[Tensor, "n d"], held_out: Float[Tensor, "m d"], samples: Float[Tensor, "s d"]
) -> dict[str, Number]:
    """Precision, recall, density and coverage, which depend on how many images are compared.

    So samples are taken in subsets, and held-out images in subsets of the same size; the means over
    them are given, and the standard error of the samples'.
    """
    size = min(len(held_out), max(len(samples) // SUBSETS, min(len(samples), FEWEST)))
    if min(size, len(reference)) <= DENSITY_NEIGHBOURS:
        return {}
    real = Manifold(reference, DENSITY_NEIGHBOURS)

    def shares(features: Float[Tensor, "_ d"]) -> list[dict[str, float]]:
        """Those of each subset."""
        parts = [part for part in features.split(size)[:SUBSETS] if len(part) == size]
        fakes = [Manifold(part, NEIGHBOURS) for part in parts]
        return [asdict(overlap(real, fake, NEIGHBOURS, DENSITY_NEIGHBOURS)) for fake in fakes]

    ours, theirs = shares(samples), shares(held_out)
    numbers = {}
    for name in ours[0]:
        values = [subset[name] for subset in ours]
        error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        floor = mean(subset[name] for subset in theirs)
        numbers[name] = Number(mean(values), "higher", error, floor)
    return numbers


def class_numbers(
    classes: Mapping[str, Int64[Tensor, " _"]], samples: Labels, count: int
) -> dict[str, Number]:
    """Which classes there are among samples, and in which shares, as a classifier sees them.

    Args:
        classes: Of `reference` and `held_out` images.
        samples: Of the samples.
        count: How many classes there are.
    """
    real, held_out = classes["reference"], classes["held_out"]
    measures = {"class_kl": reverse_kl, "class_tv": class_distance}
    numbers = {}
    for name, measure in measures.items():
        error = _jackknife(partial(measure, real, classes=count), samples)
        floor = measure(real, held_out, count)
        numbers[name] = Number(measure(real, samples, count), "lower", error, floor)
    reached = classes_reached(samples, count)
    floor = classes_reached(real, count)
    numbers["classes_reached"] = Number(reached, "higher", None, floor)
    return {named(metric, "classifier"): number for metric, number in numbers.items()}


def _jackknife(measure: Callable[[Labels], float], samples: Labels) -> float | None:
    """The standard error of what depends on samples smoothly; None for a handful.

    Source: Quenouille 1956; of `GROUPS` groups, each left out once.
    """
    if len(samples) < 2 * GROUPS:
        return None
    group = torch.arange(len(samples)) % GROUPS
    without = [measure(samples[group != left_out]) for left_out in range(GROUPS)]
    return math.sqrt((GROUPS - 1) * pvariance(without))


def by_class(
    real: tuple[Float[Tensor, "n d"], Int64[Tensor, " n"]],
    samples: tuple[Float[Tensor, "s d"], Int64[Tensor, " s"]],
    class_names: Sequence[str],
    instrument: str,
) -> dict[str, dict[str, Number]]:
    """Numbers of each class, whose images a classifier picked on both sides.

    Args:
        real: Features and classes of real images.
        samples: Likewise.
        class_names: The classes.
        instrument: Name of the features.
    """
    shares = class_shares(samples[1], len(class_names))
    real_shares = class_shares(real[1], len(class_names))
    table = {}
    for number, name in enumerate(class_names):
        row = {"share": Number(float(shares[number]), "neither", None, float(real_shares[number]))}
        ours, theirs = (features[labels == number] for features, labels in (samples, real))
        if min(len(ours), len(theirs)) >= FEWEST:
            kid = _kernel(theirs, ours)
            row[named("kid", instrument)] = Number(kid.value, "lower", kid.error)
            size = min(len(ours), len(theirs), BLOCK)
            found = overlap(
                Manifold(theirs[:size], DENSITY_NEIGHBOURS),
                Manifold(ours[:size], DENSITY_NEIGHBOURS),
            )
            row[named("precision", instrument)] = Number(found.precision, "higher")
            row[named("recall", instrument)] = Number(found.recall, "higher")
        table[name] = row
    return table
