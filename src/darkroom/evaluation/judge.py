"""One measuring path for every generator and every folder of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Protocol as Contract
from typing import runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from darkroom.data import ImageData
from darkroom.data.datasets import spread
from darkroom.evaluation.exhibits import Exhibits
from darkroom.evaluation.extraction import FeatureCache, features_of
from darkroom.evaluation.quality import by_class, class_numbers, quality
from darkroom.evaluation.record import Evaluation, Number, Protocol
from darkroom.evaluation.subject import Pictures, Subject
from darkroom.images import Features, Labels, Pixels
from darkroom.metrics import Originality, audit
from darkroom.metrics.features import FeatureNetwork, Lesson, Thumbnail, Yardstick
from darkroom.metrics.features.classifier import Classifier

PACKAGES = ("torch", "torchvision")  # that computed features depend on
LESSON = 50_000  # images that a classifier is taught with, at most
SHOWN, IN_A_ROW = 64, 12
PLAIN = Thumbnail(side=16)
MOST_CLASSES = 40  # that get a row each
FEWEST = 16  # images that a number can be made of


@runtime_checkable
class Classifies(Contract):
    """A network that can also tell the class of an image."""

    instrument: object

    def classes(self, pixels: Pixels) -> Labels: ...


@dataclass(frozen=True)
class Bench:
    """What samples are held against: the real side of every comparison, measured once.

    Attributes:
        data: The data.
        network: The features.
        classifier: What tells classes; None where the data have none.
        training: The training images among which copies are looked for.
        held_out: Images that were never trained on; they stand in for samples.
        reference: What samples are compared with.
        features: Of these three, by name.
        plain: Thumbnails of training and held-out images, in which copies are looked for too.
        classes: Likewise, of reference and held-out images; empty where there are none.
    """

    data: ImageData
    network: FeatureNetwork
    classifier: Classifies | None
    training: Pictures
    held_out: Pictures
    reference: Pictures
    features: Mapping[str, Float[Tensor, "_ features"]]
    plain: Mapping[str, Float[Tensor, "_ values"]]
    classes: Mapping[str, Int64[Tensor, " _"]]

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.data.training.class_names

    def look(self, subject: Subject, what: str) -> "Seen":
        """What there is to know of images, in one pass."""
        plain: list[Features] = []
        labels: list[Labels] = []

        def look(pixels: Pixels) -> Features:
            unknown = torch.zeros(len(pixels), dtype=torch.int64)
            labels.append(self.classifier.classes(pixels) if self.classifier else unknown)
            plain.append(PLAIN(pixels))
            return self.network(pixels)

        return Seen(features_of(subject, look, what), torch.cat(plain), torch.cat(labels))

    def audit(self, seen: "Seen") -> Originality:
        """Whether they are copies: in the features and in thumbnails, whichever finds more.

        A network may hold a copy with a little noise for another image, and thumbnails one that is
        shifted.
        """
        audits = [
            audit(of["training"], of["held_out"], samples, name)
            for of, samples, name in (
                (self.features, seen.features, self.network.instrument.name),
                (self.plain, seen.plain, PLAIN.instrument.name),
            )
        ]
        return max(audits, key=lambda found: found.interval[0])


@dataclass(frozen=True)
class Seen:
    """Images that have been looked at.

    Attributes:
        features: In the features of the protocol.
        plain: As thumbnails.
        classes: Their classes; 0 where the data have none.
    """

    features: Features
    plain: Float[Tensor, "batch values"]
    classes: Labels


class Judge:
    """Measures under one protocol.

    Args:
        yardstick: The features.
        samples: How many samples are judged.
        real: With how many real images they are compared at most.
        searched: Among how many training images copies are looked for at most.
        split: The part that samples are compared with: training, held_out or test.
        first_seed: The seed of the first sample.
        cache: Folder for features of real images.

    Raises:
        ValueError: If an option makes no sense.
    """

    def __init__(
        self,
        yardstick: Yardstick,
        samples: int = 10_000,
        real: int = 20_000,
        searched: int = 100_000,
        split: str = "training",
        first_seed: int = 0,
        cache: str = "data/features",
    ) -> None:
        if split not in ("training", "held_out", "test"):
            raise ValueError(f"split={split}: type training, held_out or test.")
        for option, number in (("samples", samples), ("real", real), ("searched", searched)):
            if number < FEWEST:
                raise ValueError(f"{option}={number} tells nothing. Type {option}=2000 or more.")
        if first_seed < 0:
            raise ValueError(f"first_seed={first_seed}: type a number from 0 on.")
        self.yardstick, self.samples = yardstick, samples
        self.real, self.searched = real, searched
        self.split, self.first_seed, self.cache = split, first_seed, FeatureCache(cache)
        self.classifier = Classifier(cache=cache)
        self._benches: dict[tuple[str, ...], Bench] = {}

    def __call__(self, subject: Subject, data: ImageData, name: str) -> tuple[Evaluation, Exhibits]:
        """Judges images against data that are set up.

        Args:
            subject: The images.
            data: What they were made from.
            name: What to call them.

        Raises:
            ValueError: If they are too few, or no images such as the data have.
        """
        if len(subject) < FEWEST:
            raise ValueError(
                f"{name}: {len(subject)} images tell nothing. Bring {FEWEST} at least, and better "
                "thousands."
            )
        drawn, shape = tuple(subject.at([0]).shape[1:]), data.training.shape
        if drawn != shape:
            raise ValueError(
                f"{name}: its images are {_form(drawn)}, and those of the data are {_form(shape)}. "
                "Leave data.resolution and data.channels as the run has them."
            )
        bench = self.bench(data)
        seen = bench.look(subject, f"judging {name}")
        samples, labels = seen.features, seen.classes
        instrument = bench.network.instrument.name
        reference, held_out = bench.features["reference"], bench.features["held_out"]
        numbers = quality(reference, held_out, samples, instrument)
        classes: dict[str, dict[str, Number]] = {}
        if bench.classifier is not None:
            numbers |= class_numbers(bench.classes, labels, len(bench.class_names))
            if len(bench.class_names) <= MOST_CLASSES:
                real = (reference, bench.classes["reference"])
                classes = by_class(real, (samples, labels), bench.class_names, instrument)
        originality = bench.audit(seen)
        evaluation = Evaluation(
            subject=name,
            images_seen=None,
            checkpoint="",
            protocol=self.protocol(data, len(subject), subject.first_seed),
            numbers=numbers,
            classes=classes,
            originality=originality,
        )
        return evaluation, _exhibits(bench, subject, originality, labels)

    def protocol(self, data: ImageData, samples: int, first_seed: int | None) -> Protocol:
        """What numbers made here would carry."""
        bench = self.bench(data)
        return Protocol(
            instrument=bench.network.instrument,
            samples=samples,
            first_seed=first_seed,
            split=self.split,
            reference=len(bench.reference),
            held_out=len(bench.held_out),
            searched=len(bench.training),
            data=bench.reference.images.fingerprint(),
            versions={package: version(package) for package in PACKAGES},
        )

    def bench(self, data: ImageData) -> Bench:
        """The real side, measured once for each set of data."""
        parts = (data.training, data.held_out, data.test)
        fingerprints = tuple(part.fingerprint() for part in parts)
        if fingerprints not in self._benches:
            self._benches[fingerprints] = self._measured(data)
        return self._benches[fingerprints]

    def _measured(self, data: ImageData) -> Bench:
        parts = {"training": data.training, "held_out": data.held_out, "test": data.test}
        if len(parts[self.split]) < 2:
            raise ValueError(
                f"split={self.split}: the data have no such part. Leave it out, or type "
                "split=held_out."
            )
        lesson = lesson_of(data)
        network = self.yardstick.fitted(lesson)
        classifier: Classifies | None = None
        if len(lesson.class_names) > 1:
            taught = network if isinstance(network, Classifies) else self.classifier.fitted(lesson)
            assert isinstance(taught, Classifies), "the classifier tells classes"
            classifier = taught
        looked_at = {
            "training": Pictures(data.training, self.searched),
            "held_out": Pictures(data.held_out, self.real),
            "reference": Pictures(parts[self.split], self.real),
        }
        features = {
            part: self.cache.features(looked_at[part], network, f"real images, {part}")
            for part in ("training", "held_out")
        }
        if looked_at["reference"].images is data.training and len(features["training"]) == len(
            data.training
        ):
            features["reference"] = features["training"][looked_at["reference"].places]
        else:
            features["reference"] = self.cache.features(
                looked_at["reference"], network, f"real images, {self.split}"
            )
        classes = {}
        if classifier is not None:
            for part in ("held_out", "reference"):
                told = [classifier.classes(pixels) for pixels in looked_at[part].batches()]
                classes[part] = torch.cat(told)
        return Bench(
            data=data,
            network=network,
            classifier=classifier,
            features=features,
            plain={
                part: features_of(looked_at[part], PLAIN, "", progress=False)
                for part in ("training", "held_out")
            },
            classes=classes,
            **looked_at,
        )


def lesson_of(data: ImageData) -> Lesson:
    """What a classifier can be taught from the data."""
    images = data.labelled(LESSON)
    return Lesson(
        images.pixels, images.labels, images.class_names, images.fingerprint(), data.per_channel
    )


def _exhibits(
    bench: Bench, subject: Subject, originality: Originality, classes: Labels
) -> Exhibits:
    suspicious = originality.pairs[:IN_A_ROW]
    pairs = None
    if suspicious:
        samples = subject.at([sample for sample, _, _ in suspicious])
        nearest = bench.training.at([image for _, image, _ in suspicious])
        pairs = torch.stack([samples, nearest], dim=1).flatten(0, 1)
    rows: dict[str, Pixels] = {}
    if bench.classifier is not None and len(bench.class_names) <= MOST_CLASSES:
        for number, name in enumerate(bench.class_names):
            places = (classes == number).nonzero().flatten()[:IN_A_ROW].tolist()
            if places:
                rows[name] = subject.at(places)
    return replace(exhibits_of(bench, subject), pairs=pairs, classes=rows)


def exhibits_of(bench: Bench, subject: Subject) -> Exhibits:
    """The first images, and as many real ones, of all over the reference."""
    return Exhibits(
        samples=subject.at(range(min(SHOWN, len(subject)))),
        real=bench.reference.at(spread(len(bench.reference), SHOWN).tolist()),
    )


def _form(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{height}x{width} with {channels} channel{'s' if channels > 1 else ''}"
