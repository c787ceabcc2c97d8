"""What the bound of a latent model is worth, and what its latents keep of images."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from darkroom.evaluation.extraction import bar_of
from darkroom.evaluation.record import Number
from darkroom.images import (
    Features,
    Labels,
    Latents,
    PerImage,
    Pixels,
    composited,
    to_float,
    to_pixels,
)
from darkroom.metrics.features import FeatureNetwork
from darkroom.metrics.latents import BINS, active_units, mutual_information_gap
from darkroom.objectives import bits_per_dim, importance_weighted
from darkroom.randomness import Noise, key, permutation
from darkroom.systems import VAE

MOST_SAMPLES = 1 << 20  # of one image; they number its noise
SSIM_WINDOW = 11  # pixels

PerSample = Float[Tensor, "samples batch"]


@torch.inference_mode()
def latent_numbers(
    system: VAE,
    held_out: Pixels,
    labels: Labels | None = None,
    samples: Sequence[int] = (1, 50),
    network: FeatureNetwork | None = None,
    factors: Int64[Tensor, "batch factors"] | None = None,
    batch_size: int = 256,
    progress: bool = True,
) -> tuple[dict[str, Number], tuple[str, ...]]:
    """Judges a latent model by images that it was not trained on.

    The averaged weights are judged. Noise follows from the place of an image among these, so the
    numbers do not depend on the size of a batch. Memory for a batch, and some numbers for each
    sample of each image, are all that is needed; max(samples) times all images are computed.

    Args:
        system: The model.
        held_out: Images, at least two.
        labels: Their classes, for a model that is told of classes.
        samples: Numbers k of samples of z for the importance-weighted bounds.
        network: Features in which reconstructions are compared; None leaves that out.
        factors: What is known of the images, as whole numbers, for a score of disentanglement;
            None leaves that out. A class alone is seldom a factor that one latent could stand for.
        batch_size: Images that are computed at once.
        progress: Whether to show it.

    Returns:
        Numbers by name, and sentences on how to read them. Of images' negative_elbo, iw_bound_<k>,
        distortion, rate and rate_level_<n> in nats there is the mean; the first two bound
        -log p(x) from above.

    Raises:
        ValueError: If an option makes no sense.
    """
    if not samples or not 1 <= min(samples) <= max(samples) <= MOST_SAMPLES:
        raise ValueError(f"samples={samples}: type numbers of samples, such as (1, 50).")
    if len(held_out) < 2:
        raise ValueError(f"{len(held_out)} held-out images: a latent model is judged by 2 or more.")
    terms = terms_of(system, held_out, labels, max(samples), batch_size, progress)
    numbers, notes = _bounds(system, terms, samples, held_out[0].numel())
    means, copies = _through(system, held_out, labels, batch_size, progress)
    active = active_units(means)
    numbers["active_units"] = Number(float(active.sum()), "neither")
    numbers["active_units_share"] = Number(float(active.double().mean()), "neither")
    numbers |= likeness(composited(held_out), composited(copies), network, batch_size)
    if factors is not None:
        gap = mutual_information_gap(means, factors)
        numbers["mutual_information_gap"] = Number(gap, "higher")
        notes.append(f"The mutual information gap is of histograms with {BINS} bins.")
    return numbers, tuple(notes)


@dataclass(frozen=True)
class Terms:
    """The bound's terms for each image and each sample of z, in nats, on the CPU.

    Attributes:
        distortion: -log p(x|z).
        rates: KL(q(z|x) || p(z)) of each latent level.
        log_weight: log p(x|z) + log p(z) - log q(z|x).
    """

    distortion: PerSample
    rates: tuple[PerSample, ...]
    log_weight: PerSample

    def iw_bound(self, k: int) -> PerImage:
        """An upper bound of -log p(x) from k samples, averaged over as many sets as there are."""
        sets, images = len(self.log_weight) // k, self.log_weight.shape[1]
        log_weights = self.log_weight[: sets * k].reshape(sets, k, images).transpose(0, 1)
        return -importance_weighted(log_weights.flatten(1)).reshape(sets, images).mean(0)


@torch.inference_mode()
def terms_of(
    system: VAE,
    held_out: Pixels,
    labels: Labels | None = None,
    samples: int = 1,
    batch_size: int = 256,
    progress: bool = True,
) -> Terms:
    """The bound's terms, of dequantised images where the likelihood is a density.

    Args:
        system: The model.
        held_out: The images.
        labels: Their classes, for a model that is told of classes.
        samples: Samples of z for each image.
        batch_size: Samples that are computed at once.
        progress: Whether to show it.
    """
    weights = next(system.parameters())
    columns: list[list[Tensor]] = []
    # sample s of image i is in place i * samples + s
    for places in _batches(len(held_out) * samples, batch_size, "bounds", progress):
        image, sample = places // samples, (places % samples).to(weights.device)
        counters = image.to(weights.device)
        x = system.likelihood.dequantised(
            to_float(held_out[image].to(weights.device)),
            Noise(key("evaluation", "dequantisation"), counters),
        )
        noise = Noise(key("evaluation", "posterior"), counters * MOST_SAMPLES + sample)
        classes = None if labels is None else labels[image].to(weights.device)
        bound = system.bound(system.developer, x.to(weights.dtype), noise, classes)
        terms = (bound.distortion, bound.log_weight, *bound.rates)
        columns.append([term.double().cpu() for term in terms])
    whole = (torch.cat(parts) for parts in zip(*columns, strict=True))
    distortion, log_weight, *rates = (term.reshape(-1, samples).T for term in whole)
    return Terms(distortion, tuple(rates), log_weight)


def _bounds(
    system: VAE, terms: Terms, samples: Sequence[int], dimensions: int
) -> tuple[dict[str, Number], list[str]]:
    """Numbers of the bound, and what they mean."""
    likelihood = system.likelihood
    distortion, rates = terms.distortion.mean(0), [rate.mean(0) for rate in terms.rates]
    rate = torch.stack(rates).sum(0)
    bounds = {"negative_elbo": distortion + rate}
    bounds |= {f"iw_bound_{k}": terms.iw_bound(k) for k in samples}
    numbers = {name: _mean(nats, "lower") for name, nats in bounds.items()}
    numbers |= {"distortion": _mean(distortion, "neither"), "rate": _mean(rate, "neither")}
    if len(rates) > 1:
        levels = enumerate(rates, start=1)
        numbers |= {f"rate_level_{n}": _mean(level, "neither") for n, level in levels}
    notes = [
        likelihood.note,
        "negative_elbo and iw_bound_<k> (k samples, Burda et al. 2016) bound -log p(x) from above, "
        "in nats per image.",
    ]
    if likelihood.level_width is not None:
        numbers |= {
            f"{name}_bits_per_dim": _mean(
                bits_per_dim(nats, dimensions, likelihood.level_width), "lower"
            )
            for name, nats in bounds.items()
        }
    return numbers, notes


def likeness(
    real: Pixels, copies: Pixels, network: FeatureNetwork | None = None, batch_size: int = 256
) -> dict[str, Number]:
    """How like images their reconstructions are.

    Args:
        real: The images, without transparency.
        copies: Their reconstructions.
        network: For a distance in features; None leaves that out.
        batch_size: Images that are compared at once.

    Returns:
        PSNR in dB and SSIM, each the mean over the images; SSIM only where an image is as large as
        its window; and the distance in features.
    """
    pairs = list(zip(real.split(batch_size), copies.split(batch_size), strict=True))
    floats = [(copy.float(), image.float()) for image, copy in pairs]
    psnr = [
        peak_signal_noise_ratio(*pair, data_range=255.0, reduction="none", dim=(1, 2, 3))
        for pair in floats
    ]
    numbers = {"reconstruction_psnr": _mean(torch.cat(psnr), "higher")}
    if min(real.shape[-2:]) >= SSIM_WINDOW:
        ssim = [
            structural_similarity_index_measure(*pair, data_range=255.0, reduction="none")
            for pair in floats
        ]
        numbers["reconstruction_ssim"] = _mean(
            torch.cat([torch.as_tensor(s) for s in ssim]), "higher"
        )
    if network is not None:
        features = [
            torch.cat([network(side) for side in sides]) for sides in zip(*pairs, strict=True)
        ]
        name = f"reconstruction_distance_{network.instrument.name}"
        numbers[name] = relative_distance(*features)
    return numbers


def relative_distance(real: Features, copies: Features) -> Number:
    """How far reconstructions are from their images, in the distance of two images at random.

        R = mean |f(x) - f(x^)| / mean |f(x) - f(x')|

    0 where all are perfect, 1 where they are as unlike as any two images. The standard error is
    that of a ratio of means, by the delta method.

    Args:
        real: Features of the images.
        copies: Features of their reconstructions.
    """
    order = permutation(len(real), "evaluation", "pairs")
    others = torch.empty_like(order)
    others[order] = order.roll(1)  # nobody is paired with itself
    a = (real - copies).double().norm(dim=1)
    b = (real - real[others]).double().norm(dim=1)
    ratio = float(a.mean() / b.mean())
    error = float((a - ratio * b).std() / b.mean()) / math.sqrt(len(a))
    return Number(ratio, "lower", error)


def _through(
    system: VAE, held_out: Pixels, labels: Labels | None, batch_size: int, progress: bool
) -> tuple[Latents, Pixels]:
    """Means of q(z|x), and reconstructions, of all images, on the CPU."""
    weights = next(system.parameters())
    means, copies = [], []
    for places in _batches(len(held_out), batch_size, "reconstructions", progress):
        images = to_float(held_out[places].to(weights.device)).to(weights.dtype)
        classes = None if labels is None else labels[places].to(weights.device)
        means.append(system.developer.encode(images, classes).cpu())
        copies.append(to_pixels(system.reconstruct(images, classes)).cpu())
    return torch.cat(means), torch.cat(copies)


def _mean(values: PerImage, better: str) -> Number:
    """The mean over images with its standard error."""
    values = values.double()
    return Number(float(values.mean()), better, float(values.std()) / math.sqrt(len(values)))


def _batches(length: int, batch_size: int, what: str, progress: bool) -> Iterator[Tensor]:
    """The places 0, 1, ... in batches."""
    with bar_of(length, what, progress) as bar:
        for first in range(0, length, batch_size):
            places = torch.arange(first, min(first + batch_size, length))
            yield places
            bar.update(len(places))
