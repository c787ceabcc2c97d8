"""Made-up evaluations and pictures. No number in here was measured, and none may be quoted."""

import math
from typing import Any

import numpy as np
import torch

from darkroom.curves import Curve
from darkroom.diagnosis.finding import Finding
from darkroom.evaluation.exhibits import Exhibits
from darkroom.evaluation.record import Evaluation, Number, Protocol
from darkroom.images import Pixels
from darkroom.metrics.features.contracts import Instrument
from darkroom.metrics.originality import Originality

INSTRUMENT = Instrument("lite0", "0123abcd", "32x32, bilinear, RGB")
PROTOCOL: dict[str, Any] = {
    "instrument": INSTRUMENT,
    "samples": 2000,
    "first_seed": 0,
    "split": "training",
    "reference": 4000,
    "searched": 4000,
    "held_out": 1000,
    "data": "feed",
    "versions": {"torch": "2.15.0"},
}
FINDING = Finding(
    name="discriminator overfitting",
    evidence="It is right about 99% of the training images and 61% of the held-out ones.",
    cause="There are few images, and it has learnt them by heart.",
    remedies={
        "augmentation=flip": "doubles the images",
        "model.discriminator_optimizer.lr=1e-4": "lets the generator keep up",
    },
    curves=("probability/real", "probability/fake_after"),
    severity=2,
)
LOST = Finding("divergence", "The loss is NaN from 20k images on.", "Too large a step.", {}, (), 3)
COST = {
    "training_seconds": 640.0,
    "training_images": 200_000.0,
    "training_images_per_second": 312.0,
    "training_peak_memory_mib": 900.0,
    "trained_parameters": 1_250_000.0,
    "flops_per_sample": 2.1e7,
    "sampling_images_per_second": 1500.0,
    "stability": 0.08,
}


def protocol(**facts: Any) -> Protocol:
    return Protocol(**PROTOCOL | facts)


def originality(copied: float = 0.0, low: float = 0.0, high: float = 0.01) -> Originality:
    return Originality(
        features="lite0",
        samples=2000,
        accused=copied + 0.01,
        expected=0.01,
        copied=copied,
        interval=(low, high),
        c_t=-0.4,
        authentic=0.61,
        authentic_floor=0.63,
        pairs=tuple((7 * k, 11 * k, 0.2 + 0.05 * k) for k in range(12)),
        verdict="No sign of copying." if low <= 0 else "Some samples are copies.",
    )


def numbers(
    kid: float = 0.012, error: float | None = 0.001, recall: float = 0.41
) -> dict[str, Number]:
    return {
        "kid_lite0": Number(kid, "lower", error, 0.0003),
        "fd_lite0": Number(31.2, "lower", 0.4, 8.5),
        "fd_infinity_lite0": Number(29.8, "lower", 0.6, 2.1),
        "precision_lite0": Number(0.71, "higher", 0.012, 0.88),
        "recall_lite0": Number(recall, "higher", 0.015, 0.72),
        "density_lite0": Number(0.83, "higher", 0.02, 1.01),
        "coverage_lite0": Number(0.64, "higher", 0.014, 0.93),
        "classes_reached": Number(9.0, "higher", None, 10.0),
        "class_kl": Number(0.08, "lower", None, 0.002),
    }


def evaluation(subject: str = "outputs/a", **facts: Any) -> Evaluation:
    """An evaluation of a good run, but for some facts."""
    usual: dict[str, Any] = {
        "images_seen": 200_000,
        "checkpoint": "c0ffee",
        "protocol": protocol(),
        "numbers": numbers(),
        "originality": originality(),
        "cost": COST,
    }
    return Evaluation(subject, **usual | facts)


def latent(nll: float = 812.0, **facts: Any) -> Evaluation:
    """An evaluation of a latent model."""
    below = {
        "negative_elbo": Number(nll + 9, "lower", 2.1),
        "bits_per_dim": Number(nll / 784 / math.log(2), "lower", 0.004),
        "rate": Number(17.2, "neither", 0.2),
        "distortion": Number(nll - 8.2, "lower", 2.0),
        "active_units": Number(14.0, "neither"),
    }
    notes = ("The likelihood is a Bernoulli distribution of each pixel.",)
    return evaluation(**{"latents": below, "notes": notes} | facts)


def pixels(n: int, channels: int = 3, side: int = 16, seed: int = 0) -> Pixels:
    values = np.random.default_rng(seed).integers(0, 256, (n, channels, side, side))
    return torch.from_numpy(values.astype(np.uint8))


def exhibits(channels: int = 3, side: int = 16, n: int = 64, **facts: Any) -> Exhibits:
    """As many samples as real images; other pictures have to be as many while types are checked."""
    usual: dict[str, Any] = {
        "samples": pixels(n, channels, side),
        "real": pixels(n, channels, side, 1),
    }
    return Exhibits(**usual | facts)


def curve(values: Any, every: int = 1000) -> Curve:
    array = np.asarray(values, np.float64)
    return Curve(every * np.arange(1, len(array) + 1), array)


def curves() -> dict[str, Curve]:
    """What a run might log."""
    draw = np.random.default_rng(0)
    fall = np.exp(-np.linspace(0, 4, 200))
    return {
        "loss/discriminator": curve(1.2 + 0.1 * draw.standard_normal(200)),
        "loss/generator": curve(1.0 + fall + 0.15 * draw.standard_normal(200)),
        "probability/real": curve(0.6 + 0.05 * draw.standard_normal(200)),
        "probability/fake_after": curve(0.4 + 0.05 * draw.standard_normal(200)),
        "throughput/images_per_second": curve(300 + 10 * draw.standard_normal(20), 10_000),
        "quality/kid_thumbnail": curve(0.5 * np.exp(-np.linspace(0, 5, 20)) + 0.01, 10_000),
    }
