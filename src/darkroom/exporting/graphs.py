"""What of a model leaves the house: computations with named inputs and outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from darkroom.exporting.mixture import frozen
from darkroom.images import Images, Labels, Latents, to_pixels
from darkroom.networks import Generator, LatentModel
from darkroom.objectives import Likelihood
from darkroom.priors import Autoregressive, Standard
from darkroom.randomness import Noise, key
from darkroom.systems import GAN, VAE, System

Values = tuple[Tensor, ...]


@dataclass(frozen=True)
class Graph:
    """A computation that is exported.

    Attributes:
        name: generator, encoder or decoder.
        network: What computes it, in evaluation mode and with the averaged weights.
        reference: The same by the system itself, which it is compared with.
        example: So many inputs, always the same ones.
        inputs: Their names.
        outputs: Names of what comes out.
        meaning: What it does, in a sentence.
        positions: Codes that are drawn one after another; 0 where nothing is.
        is_stepped: Whether numbers are rounded to codes within, so that two computations that
            differ in the last digit may now and then choose neighbouring codes.
    """

    name: str
    network: nn.Module
    reference: Callable[..., Values]
    example: Callable[[int], Values]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    meaning: str
    positions: int = 0
    is_stepped: bool = False


def graphs_of(system: System) -> list[Graph]:
    """Everything of a trained model that somebody could want to run elsewhere.

    Args:
        system: In evaluation mode.
    """
    system.requires_grad_(False)
    return _of_vae(system) if isinstance(system, VAE) else [_generator(system, _drawing(system))]


def _of_vae(system: VAE) -> list[Graph]:
    drawing = VAEDrawing(frozen(cast(nn.Module, system.guide)), system)
    graphs = [_generator(system, drawing), _encoder(system)]
    if not isinstance(system.guide, Standard):
        graphs.append(_decoder(system))
    return graphs


def _drawing(system: System) -> nn.Module:
    assert isinstance(system, GAN), f"a {type(system).__name__} has to say what draws"
    return cast(nn.Module, system.averaged.module)


def _generator(system: System, drawing: nn.Module) -> Graph:
    guide = system.guide if isinstance(system, VAE) else None
    is_serial = isinstance(guide, Autoregressive)
    return Graph(
        "generator",
        Developed(drawing),
        lambda *inputs: _developed(system(*inputs)),
        lambda batch: _noise(system, "generator", batch, system.latent_dim),
        _named(system, "latents"),
        ("images", "pixels"),
        "Standard normal latents to new images"
        + (", through the second stage that has learned where latents are." if guide else "."),
        positions=system.latent_dim if is_serial else 0,
        is_stepped=is_serial,
    )


def _encoder(system: VAE) -> Graph:
    return Graph(
        "encoder",
        Encoded(system.developer),
        lambda *inputs: (system.developer.encode(*inputs),),
        lambda batch: _images(system, batch),
        _named(system, "images"),
        ("latents",),
        "Images to the latents that the decoder makes them of: the posterior's means.",
        is_stepped=hasattr(system.developer, "quantiser"),
    )


def _decoder(system: VAE) -> Graph:
    return Graph(
        "decoder",
        Developed(VAEDrawing(Standard(system.developer.latent_dim), system)),
        lambda *inputs: _developed(system.decoded(*inputs)),
        lambda batch: _latents(system, batch),
        _named(system, "latents"),
        ("images", "pixels"),
        "Latents as the encoder makes them to images, past the second stage.",
    )


def _named(system: System, first: str) -> tuple[str, ...]:
    return (first,) if system.class_shares is None else (first, "labels")


def _noise(system: System, purpose: str, batch: int, length: int) -> Values:
    latents = Noise(key("export", purpose), torch.arange(batch)).normal(length)
    if system.class_shares is None:
        return (latents,)
    return latents, torch.arange(batch) % len(system.class_shares)


def _images(system: VAE, batch: int) -> Values:
    """New images, which an encoder is as sure of as of real ones."""
    latents, *labels = _noise(system, "encoder", batch, system.latent_dim)
    return system(latents, *labels), *labels


def _latents(system: VAE, batch: int) -> Values:
    noise, *labels = _noise(system, "decoder", batch, system.latent_dim)
    return system.guide(noise, *labels), *labels


def levels(images: Images) -> Tensor:
    """Grey levels 0..255, [batch, height, width, channels], as Pillow and Keras take them.

    As `images.to_pixels`, without its look at the numbers, which no graph can hold.
    """
    pixels = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1)


def _developed(images: Images) -> Values:
    return images, to_pixels(images).permute(0, 2, 3, 1)


class Developed(nn.Module):
    """Images as floats, and as grey levels to look at.

    Args:
        network: Latents to images.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Latents, labels: Labels | None = None) -> Values:
        images = cast(Generator, self.network)(latents, labels)
        return images, levels(images)


class VAEDrawing(nn.Module):
    """A VAE's way from noise to images.

    Args:
        prior: Noise to latents; the standard one, which changes nothing, for a decoder.
        system: The VAE.
    """

    def __init__(self, prior: nn.Module, system: VAE) -> None:
        super().__init__()
        self.prior = prior
        self.network = cast(nn.Module, system.developer)
        self.likelihood = system.likelihood

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        network, likelihood = cast(LatentModel, self.network), cast(Likelihood, self.likelihood)
        return likelihood.mean(network.decode(self.prior(latents, labels), labels))


class Encoded(nn.Module):
    """A VAE's way from images to latents."""

    def __init__(self, network: LatentModel) -> None:
        super().__init__()
        self.network = cast(nn.Module, network)

    def forward(self, images: Images, labels: Labels | None = None) -> Values:
        return (cast(LatentModel, self.network).encode(images, labels),)
