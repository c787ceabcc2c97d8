"""Digits, and a network that has learnt them."""

import pytest
import torch
from sklearn.datasets import load_digits

from darkroom import randomness
from darkroom.metrics import kernel_distance
from darkroom.metrics.features import Classifier, Lesson

LEARNT = 1438
DIGITS = tuple("0123456789")


class Evil:
    """A pickle of this writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture(scope="session")
def digits():
    """All 1,797 digits: pixels [1797, 1, 16, 16] and labels."""
    data = load_digits()
    pixels = torch.from_numpy(data.images * 255 / 16).round().to(torch.uint8)[:, None]
    return pixels.repeat_interleave(2, 2).repeat_interleave(2, 3), torch.from_numpy(data.target)


@pytest.fixture(scope="session")
def lesson(digits):
    """The first digits; the others are for questions."""
    pixels, labels = digits
    return Lesson(pixels[:LEARNT], labels[:LEARNT], DIGITS, "digits")


@pytest.fixture(scope="session")
def taught(lesson, tmp_path_factory):
    """What has learnt the lesson in full."""
    return Classifier(cache=str(tmp_path_factory.mktemp("features")), device="cpu").fitted(lesson)


@pytest.fixture(scope="session")
def colourful():
    """Five noisy pictures, 20x24."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 3, 20, 24), dtype=torch.uint8, generator=generator)


@pytest.fixture
def evil(tmp_path):
    """A file that runs code when it is unpickled, and the proof that it did."""
    file, proof = tmp_path / "evil.pth", tmp_path / "proof"
    torch.save({"weights": Evil(proof)}, file)
    torch.load(file, weights_only=False)  # it works
    assert proof.exists()
    proof.unlink()
    return file, proof


def noisy(pixels, deviation):
    generator = torch.Generator().manual_seed(1)
    noise = deviation * torch.randn(pixels.shape, generator=generator)
    return (pixels + noise).round().clamp(0, 255).to(torch.uint8)


@pytest.fixture
def distances_with_noise(digits):
    """Kernel distances of real digits to others with more and more noise."""
    pixels, _ = digits
    order = randomness.permutation(len(pixels), "halves")  # neighbours have one writer
    real, others = pixels[order[:200]], pixels[order[200:400]]

    def distances(network):
        seen = network(real)
        return [kernel_distance(seen, network(noisy(others, s))) for s in (0, 40, 80, 120)]

    return distances
