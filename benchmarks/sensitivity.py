"""What each metric sees: python -m benchmarks.sensitivity.

Real images that nothing was trained on, harmed in known ways, are judged as if a generator had made
them. Every metric should move the right way from what the unharmed ones get.
"""

import tempfile
from collections.abc import Callable

import torch
from torchvision.transforms.v2 import functional as transforms

from benchmarks.record import Matrix, write
from darkroom.data import Digits, FashionMNIST, ImageData
from darkroom.data.datasets import ArraySet
from darkroom.evaluation import Judge, Pictures
from darkroom.images import Pixels
from darkroom.metrics.features import Classifier, Lite0, Thumbnail, Yardstick
from darkroom.randomness import Noise, key

IMAGES = 1000  # of each kind, at most
SHOWN = ("fd", "kid", "precision", "recall", "density", "coverage", "class_kl")


def main() -> None:
    tables = {}
    with tempfile.TemporaryDirectory() as cache:
        yardsticks: list[Yardstick] = [Thumbnail(), Classifier(cache=cache), Lite0()]
        for title, data in sets().items():
            for yardstick in yardsticks:
                judge = Judge(yardstick, samples=IMAGES, real=5 * IMAGES, cache=cache)
                name = type(yardstick).__name__.lower()
                tables[f"{title}, features: {name}"] = judged(judge, data)
    print(write("sensitivity", tables, REMARKS).read_text())


REMARKS = (
    "Real images that were held out, harmed in known ways and judged as samples; `real` are other "
    "held-out ones, unharmed. `copied` is the audit's estimate."
)


def sets() -> dict[str, ImageData]:
    """The embedded digits, and Fashion-MNIST where it is at hand."""
    found: dict[str, ImageData] = {"Digits 16x16": Digits(16, 1, validation=0.5)}
    clothes = FashionMNIST(resolution=28, channels=1, validation=0.2, limit=10 * IMAGES)
    try:
        clothes.setup()
        found["Fashion-MNIST 28x28"] = clothes
    except ValueError as missing:
        print(missing)
    for data in found.values():
        data.setup()
    return found


def judged(judge: Judge, data: ImageData) -> Matrix:
    """Every kind of harm, in every metric."""
    # one half of the held-out images stays for the floors, and the other is harmed
    half = len(data.held_out) // 2
    apart = torch.arange(half, min(2 * half, half + IMAGES))
    training, unseen = data.training, data.held_out
    assert isinstance(training, ArraySet), "sets in memory"
    assert isinstance(unseen, ArraySet), "sets in memory"
    data.held_out = unseen.subset(torch.arange(half))
    rows: dict[str, list[float | None]] = {}
    try:
        for name, harm in HARMS.items():
            images = harm(training, unseen.subset(apart))
            subject = Pictures(ArraySet(images, torch.zeros(len(images), dtype=torch.int64)))
            evaluation, _ = judge(subject, data, name)
            numbers = {k.rpartition("_")[0]: n.value for k, n in evaluation.numbers.items()}
            audit = evaluation.originality
            assert audit is not None, "there are training images"
            rows[name] = [*(numbers.get(metric) for metric in SHOWN), audit.copied]
    finally:
        data.held_out = unseen
    return Matrix((*SHOWN, "copied"), rows)


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    """With normal noise of a standard deviation in grey levels."""
    noise = Noise(key("benchmark"), torch.arange(len(pixels))).normal(*pixels.shape[1:])
    return (pixels + sigma * noise).round().clamp(0, 255).to(torch.uint8)


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """With a Gaussian of a standard deviation in pixels."""
    return transforms.gaussian_blur(pixels, [9, 9], [sigma, sigma])


def copies(training: ArraySet, unseen: ArraySet) -> Pixels:
    """Training images with a little noise, as many."""
    return noisy(training.pixels[: len(unseen)], 4)


HARMS: dict[str, Callable[[ArraySet, ArraySet], Pixels]] = {
    "real": lambda training, unseen: unseen.pixels,
    "noise, 8 of 255": lambda training, unseen: noisy(unseen.pixels, 8),
    "noise, 32 of 255": lambda training, unseen: noisy(unseen.pixels, 32),
    "blur, 0.5 pixels": lambda training, unseen: blurred(unseen.pixels, 0.5),
    "blur, 1 pixel": lambda training, unseen: blurred(unseen.pixels, 1.0),
    "half of the classes": lambda training, unseen: unseen.pixels[unseen.labels % 2 == 0],
    "ten images, repeated": lambda training, unseen: unseen.pixels[torch.arange(len(unseen)) % 10],
    "copies of training images": copies,
    "every fifth a copy": lambda training, unseen: torch.where(
        (torch.arange(len(unseen)) % 5 == 0)[:, None, None, None],
        copies(training, unseen),
        unseen.pixels,
    ),
}


if __name__ == "__main__":
    main()
