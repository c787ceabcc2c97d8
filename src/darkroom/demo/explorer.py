"""What can be asked of one trained run; the page asks, and the model's own code answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from darkroom.checkpoint import SavedRun
from darkroom.data.datasets import ArraySet
from darkroom.demo.uploads import fitted
from darkroom.demo.watching import Report, watched
from darkroom.evaluation.anomaly import scores_of
from darkroom.evaluation.subject import with_prior
from darkroom.images import Labels, Latents, Pixels
from darkroom.intake.pack import Reading
from darkroom.provenance.origin import Origin
from darkroom.sampling import (
    Directions,
    Inversion,
    Reconstruction,
    Samples,
    Sheet,
    Traversal,
    develop,
    labels_of,
    latents_of,
    no_images,
    slerp,
)
from darkroom.sampling.directions import Axes, response_of
from darkroom.sampling.seeds import shares_of
from darkroom.systems import VAE, System

LOOKED_AT = 4096  # images at most, from which directions are found
Original = UInt8[Tensor, "1 channels height width"]
Move = Float[Tensor, "1 latent_dim"]

WAYS = {"direction": Directions, "latent": Traversal}
"""Along what an image can be moved."""

PRIORS = ("learned", "standard")


@dataclass(frozen=True)
class Manner:
    """How seeds become images.

    Attributes:
        truncation: The largest size of a latent's coordinates; None for any.
        label: Name of the class; None for each seed's own.
        prior: learned, or standard for N(0, I) in the place of what a VAE's prior learned.
    """

    truncation: float | None = None
    label: str | None = None
    prior: str = "learned"


class Place(NamedTuple):
    """Where an image is: its latents, and its class if there are any.

    Attributes:
        latents: One latent.
        labels: Its class.
        prior: Past which prior they are.
    """

    latents: Latents
    labels: Labels | None
    prior: str


class Ways(NamedTuple):
    """Directions that an image can be moved along, the strongest first.

    Attributes:
        axes: The directions.
        shares: How much of the images' response each has, in percent.
    """

    axes: Axes
    shares: Tensor


@dataclass(frozen=True)
class Score:
    """A number of an image, and what images that were never trained on have.

    Attributes:
        name: What is measured.
        value: Of this image.
        usual: The mean of held-out images when they were last validated; None if it is not known.
    """

    name: str
    value: float
    usual: float | None


@dataclass(frozen=True)
class Explorer:
    """One trained run.

    Attributes:
        name: What it is called on the page.
        saved: The run.
        system: Its model, on its device.
        reading: How its training images were read.
        origin: What all its images are made by.
        usual: Numbers of held-out images, by their names in the log.
        batch_size: Images computed at once.
    """

    name: str
    saved: SavedRun
    system: System
    reading: Reading
    origin: Origin
    usual: Mapping[str, float] = field(default_factory=dict)
    batch_size: int = 64
    _ways: dict[tuple[str, str | None], dict[str, Ways]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def facts(self) -> str:
        """What it is, in a line."""
        height, width = self.reading.size
        colours = {1: "grey", 2: "grey with transparency", 3: "RGB", 4: "RGB with transparency"}
        words = [
            type(self.system).__name__,
            f"{width}x{height} {colours[self.reading.channels]}",
            f"{self.saved.images_seen:,} images seen",
        ]
        words += [f"{len(self.class_names)} classes"] if self.class_names else []
        return " · ".join(words)

    @property
    def is_vae(self) -> bool:
        return isinstance(self.system, VAE)

    @cached_property
    def has_priors(self) -> bool:
        """Whether it learned another prior than N(0, I)."""
        return isinstance(self.system, VAE) and self._standard is not self.system

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The classes that it can be asked for."""
        shares = shares_of(self.system)
        if shares is None:
            return ()
        names = tuple(self.saved.config.class_names)
        return names or tuple(map(str, range(len(shares))))

    def model(self, prior: str = "learned") -> System:
        """The model with a prior; one that learned none has the same for both."""
        return (
            self._standard if prior == "standard" and isinstance(self.system, VAE) else self.system
        )

    def samples(self, first_seed: int, n: int, manner: Manner) -> Pixels:
        """The images of some seeds: those that sample.py draws."""
        draw = Samples(n, first_seed, label=self._number_of(manner), truncation=manner.truncation)
        return draw(self.model(manner.prior), no_images, self.batch_size).pixels

    def place(self, seed: int, manner: Manner) -> Place:
        """Where a seed's image is."""
        model = self.model(manner.prior)
        latents = latents_of([seed], model.latent_dim, manner.truncation)
        return Place(
            latents, labels_of([seed], model, self._number_of(manner)), self._prior(manner)
        )

    def label_of(self, place: Place) -> str:
        """The name of its class; empty if there are none."""
        return "" if place.labels is None else self.class_names[int(place.labels[0])]

    def origin_of(self, seed: int, manner: Manner) -> Origin:
        """What made a seed's image."""
        labels = self.place(seed, manner).labels
        label = None if labels is None else int(labels[0])
        base = replace(self.origin, prior=self._prior(manner))
        return base.sampled(seed, label, manner.truncation)

    def origin_by(self, what: str, given: tuple[str, ...] = (), **facts: Any) -> Origin:
        """What made an image that only the page draws.

        Args:
            what: What was done.
            given: What the visitor gave to it.
            facts: What it was done with.
        """
        drawn = json.dumps({"demo": what, **facts})
        return replace(self.origin, draw=drawn, image=what, given=given)

    def walk(self, start: int, end: int, steps: int, manner: Manner) -> Pixels:
        """Images from one seed's to another's, of the class of the first, along the sphere.

        Raises:
            ValueError: If both are the same.
        """
        if start == end:
            raise ValueError(f"From and to are both seed {start}. Choose two images.")
        first, last = self.place(start, manner), self.place(end, manner)
        latents = slerp(first.latents[0], last.latents[0], torch.linspace(0, 1, steps))
        labels = None if first.labels is None else first.labels.expand(steps)
        return self._developed(latents, labels, manner.prior)

    def ways(self, kind: str, manner: Manner, report: Report) -> Ways:
        """Along what images can be moved: directions that were found, or single latents."""
        known = (self._prior(manner), manner.label)
        if known not in self._ways:
            model = self.model(manner.prior)
            samples = max(1, min(16, LOOKED_AT // (2 * model.latent_dim)))
            calls = samples * -(-2 * model.latent_dim // self.batch_size)
            with watched(model, calls, report):
                response = response_of(model, samples, self.batch_size, self._number_of(manner))
            self._ways[known] = {name: _ways(way().axes(response)) for name, way in WAYS.items()}
        return self._ways[known][kind]

    def moved(self, place: Place, offset: Move) -> Pixels:
        """The image of a place, and that of the place moved by an offset."""
        latents = torch.cat([place.latents, place.latents + offset])
        labels = None if place.labels is None else place.labels.expand(2)
        return self._developed(latents, labels, place.prior)

    def fitted(self, content: object) -> Original:
        """Somebody's picture as a training image would be."""
        return fitted(content, self.reading)

    def rebuilt(self, original: Original) -> Pixels:
        """An image, and what the encoder and the decoder make of it."""
        return Reconstruction(1, 2)(self.system, lambda _: original, 1).pixels

    def inverted(self, original: Original, steps: int, report: Report) -> tuple[Sheet, Place]:
        """An image, what the latent draws that was found for it, and where that is."""
        draw = Inversion(1, 2, steps)
        calls = -(-draw.candidates // self.batch_size) + steps + 2
        with watched(self.system, calls, report):
            sheet = draw(self.system, lambda _: original, self.batch_size)
        assert sheet.found is not None, "an inversion finds latents"
        return sheet, Place(sheet.found.latents, sheet.found.labels, "learned")

    def scored(self, original: Original) -> list[Score]:
        """How unusual an image looks.

        Raises:
            ValueError: If the model knows no bound of an image.
        """
        if not isinstance(self.system, VAE):
            raise ValueError(f"{self.name} is no VAE, and only a VAE scores images.")
        images = ArraySet(original, torch.zeros(1, dtype=torch.int64))
        scores = scores_of(self.system, images, batch_size=1, progress=False)
        found = {
            "negative_elbo": scores.bound,
            "distortion": scores.distortion,
            "rate": scores.rate,
            "bits_per_dim": scores.bits_per_dim,
            "excess": scores.excess,
        }
        return [
            Score(name, float(numbers[0]), self.usual.get(f"validation/{name}"))
            for name, numbers in found.items()
            if numbers is not None
        ]

    def _developed(self, latents: Latents, labels: Labels | None, prior: str) -> Pixels:
        batch_size = min(len(latents), self.batch_size)
        return torch.cat(list(develop(self.model(prior), latents, batch_size, labels)))

    def _prior(self, manner: Manner) -> str:
        """The prior; one name for both where they are the same."""
        return manner.prior if self.has_priors else "learned"

    def _number_of(self, manner: Manner) -> int | None:
        """The number of the class; None where the model was told of no such class."""
        known = manner.label in self.class_names
        return self.class_names.index(str(manner.label)) if known else None

    @cached_property
    def _standard(self) -> System:
        return with_prior(self.system, "standard")


def _ways(found: tuple[Axes, Tensor]) -> Ways:
    axes, strengths = found
    return Ways(axes, 100 * strengths / strengths.sum().clamp(min=1e-300))


def names_of(folders: Sequence[str]) -> list[str]:
    """A short name for each folder, and another one for each."""
    parts = [folder.rstrip("/").split("/") for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({place})" for place, name in enumerate(names, start=1)]
