"""What numbers are called, and how they are said to people."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from darkroom.evaluation.record import Number

FEW = 3  # names that a sentence can hold


@dataclass(frozen=True)
class Family:
    """A kind of number, whatever features it was measured with.

    Attributes:
        label: What people call it.
        aspect: What it is about: quality, diversity, likelihood; empty where it only describes.
        meaning: One sentence for somebody who has never heard of it.
    """

    label: str
    aspect: str
    meaning: str


# the first of an aspect that was measured is the one that it is judged by
FAMILIES: Mapping[str, Family] = {
    "kid": Family(
        "KID",
        "quality",
        "How far the samples are from real images as a whole; does not depend on their number.",
    ),
    "fd_infinity": Family(
        "FD∞",
        "quality",
        "The Fréchet distance that infinitely many samples would have: free of its bias.",
    ),
    "fd": Family(
        "Fréchet distance",
        "quality",
        "How far means and covariances of the features are apart; fewer samples make it larger.",
    ),
    "precision": Family(
        "Precision", "quality", "Share of the samples that lie where real images lie."
    ),
    "density": Family(
        "Density",
        "quality",
        "How densely real images lie around the samples; about 1 for real images.",
    ),
    "recall": Family("Recall", "diversity", "Share of the real images that lie where samples lie."),
    "coverage": Family(
        "Coverage", "diversity", "Share of the real images that have a sample close by."
    ),
    "classes_reached": Family(
        "Classes reached", "diversity", "How many classes the samples show at all."
    ),
    "class_kl": Family(
        "Class divergence",
        "diversity",
        "How much the classes of the samples differ in number from those of real images, in nats.",
    ),
    "class_tv": Family(
        "Misplaced classes",
        "diversity",
        "Share of the samples that would have to change class to be distributed as real images.",
    ),
    "bits_per_dim": Family(
        "Bits per dimension",
        "likelihood",
        "What an unseen image costs to describe, in bits for each colour of a pixel.",
    ),
    "negative_elbo": Family(
        "Negative ELBO",
        "likelihood",
        "What an unseen image costs to describe at most, in nats: the bound that was trained on.",
    ),
    "iw_bound": Family(
        "Importance-weighted bound",
        "likelihood",
        "The same by a bound that is the tighter the more samples it takes, in nats.",
    ),
    "distortion": Family(
        "Distortion", "likelihood", "What of an unseen image the latents do not say, in nats."
    ),
    "rate": Family("Rate", "likelihood", "What the latents say about an unseen image, in nats."),
    "active_units": Family(
        "Active units", "", "How many latent dimensions say anything about the image."
    ),
    "mutual_information_gap": Family(
        "Mutual information gap",
        "",
        "How far each thing that is known of the images has a latent dimension to itself.",
    ),
    "reconstruction_psnr": Family(
        "PSNR of reconstructions", "", "How exact unseen images come back, in decibels."
    ),
    "reconstruction_ssim": Family(
        "SSIM of reconstructions", "", "How alike unseen images come back; 1 is the same."
    ),
    "reconstruction_distance": Family(
        "Distance of reconstructions",
        "",
        "How far unseen images are from what comes back; 1 is as far as any two images.",
    ),
    "share": Family("Share", "", "Share of the samples that are of this class."),
}


@dataclass(frozen=True)
class Cost:
    """A number of `Evaluation.cost`.

    Attributes:
        label: What people call it.
        better: Which way is better.
        shown: The number with its unit, for people.
    """

    label: str
    better: str
    shown: Callable[[float], str]


def rounded(value: float, error: float | None = None) -> str:
    """A number to as many digits as are known, or to three."""
    if not math.isfinite(value):
        return "—" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if error and math.isfinite(error):
        decimals = 1 - math.floor(math.log10(error))
        if 0 <= decimals <= 6:
            return f"{value:,.{decimals}f}"
        if decimals < 0:
            return f"{round(value, decimals):,.0f}"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        whole = 0 if value == 0 else 2 - math.floor(math.log10(abs(value)))
        text = f"{value:,.{max(0, whole)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e")


def counted(value: float) -> str:
    """A large number in thousands, millions or billions: 20k, 1.2M."""
    if not math.isfinite(value):
        return rounded(value)
    for size, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{float(f'{value:.3g}') / size:g}{suffix}"
    return f"{value:.3g}"


def lasted(seconds: float) -> str:
    """A time in seconds, as people say it."""
    if not math.isfinite(seconds):
        return rounded(seconds)
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def percent(share: float) -> str:
    """A share, with a digit more where it is small."""
    if not math.isfinite(share):
        return rounded(share)
    return f"{share:.0%}" if share == 0 or abs(share) >= 0.1 else f"{share:.1%}"


def interval(low: float, high: float) -> str:
    """Between which shares something lies."""
    if 0 <= high < 0.0005:  # both would be said to be 0%, as if that were certain
        return "below 1%"
    return f"{percent(low)} to {percent(high)}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; of many the first, and how many more."""
    few = list(names) if len(names) <= FEW + 1 else [*names[:FEW], f"{len(names) - FEW} others"]
    return few[0] if len(few) == 1 else f"{', '.join(few[:-1])} and {few[-1]}"


COSTS: Mapping[str, Cost] = {
    "training_seconds": Cost("Training time", "lower", lasted),
    "training_images": Cost("Images seen in training", "lower", counted),
    "training_images_per_second": Cost(
        "Training speed", "higher", lambda value: f"{counted(value)} images/s"
    ),
    "training_peak_memory_mib": Cost(
        "Peak memory in training", "lower", lambda value: f"{value:,.0f} MiB"
    ),
    "parameters": Cost("Parameters of what draws", "lower", counted),
    "trained_parameters": Cost("Parameters trained", "lower", counted),
    "flops_per_sample": Cost("FLOPs for a sample", "lower", counted),
    "flops_per_training_image": Cost("FLOPs for a training image", "lower", counted),
    "sampling_images_per_second": Cost(
        "Sampling speed", "higher", lambda value: f"{counted(value)} images/s"
    ),
    "stability": Cost("Unsteadiness of the quality", "lower", rounded),
}


def family_of(name: str) -> str:
    """What kind of number a name means: kid of kid_lite0; fd of fid; the name if it is unknown."""
    if name == "fid" or name.startswith("fid_"):  # the one with Inception features has its own name
        name = f"fd{name.removeprefix('fid')}"
    if name.endswith("_bits_per_dim"):  # the bound comes first, as in iw_bound_50_bits_per_dim
        return "bits_per_dim"
    known = [family for family in FAMILIES if name == family or name.startswith(f"{family}_")]
    return max(known, key=len, default=name)


def about(name: str) -> str:
    """What a number is about: quality, diversity, likelihood; empty where it only describes."""
    family = FAMILIES.get(family_of(name))
    return family.aspect if family else ""


def label_of(name: str) -> str:
    """What people call a number: KID (lite0), FID."""
    family = family_of(name)
    if family not in FAMILIES:
        return name.replace("_", " ")
    if name.startswith("fid"):
        return {"fid": "FID", "fid_infinity": "FID∞"}.get(name, name)
    if bound := name.removesuffix("bits_per_dim").rstrip("_") if family == "bits_per_dim" else "":
        return f"{FAMILIES[family].label} ({label_of(bound)})"
    features = name.removeprefix(family).removeprefix("_").replace("_", " ")
    return FAMILIES[family].label + (f" ({features})" if features else "")


def shown(number: Number) -> str:
    """A number with its error."""
    error = number.error if number.error is not None and math.isfinite(number.error) else None
    value = rounded(number.value, error)
    if error is None or not math.isfinite(number.value):
        return value
    return f"{value} ± {rounded(error, error)}"


def reading_order(name: str) -> int:
    """For sorting: the numbers of quality come first, then diversity, and the unknown last."""
    families = list(FAMILIES)
    family = family_of(name)
    return families.index(family) if family in FAMILIES else len(families)


def main_of(numbers: Mapping[str, Number], aspect: str, instrument: str = "") -> str | None:
    """The number that an aspect is judged by; None if there is none of it.

    Args:
        numbers: By name.
        aspect: quality, diversity or likelihood.
        instrument: Name of the features to prefer.
    """
    finite = [name for name, number in numbers.items() if math.isfinite(number.value)]
    for family, facts in FAMILIES.items():
        if facts.aspect == aspect:
            known = sorted(name for name in finite if family_of(name) == family)
            preferred = [name for name in known if name in ("fid", f"{family}_{instrument}")]
            if known:
                return (preferred or known)[0]
    return None
