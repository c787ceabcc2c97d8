"""Features of real images are made once, and never mistaken for others."""

from pathlib import Path

import numpy as np
import pytest
import torch

from darkroom.data.datasets import ArraySet, digits
from darkroom.evaluation import Pictures
from darkroom.evaluation.extraction import FeatureCache, features_of
from darkroom.images import Features, Pixels
from darkroom.metrics.features import Instrument, Thumbnail

DIGITS = digits()
SOME = DIGITS.subset(torch.arange(300))


class Counting:
    """Thumbnails that count the images that they see."""

    def __init__(self, side: int = 4, name: str = "counting") -> None:
        self.inner, self.seen = Thumbnail(side), 0
        self.instrument = Instrument(name, "", f"{side}")

    def __call__(self, pixels: Pixels) -> Features:
        self.seen += len(pixels)
        return self.inner(pixels)


def test_features_come_in_the_order_of_the_images_and_in_float32() -> None:
    def doubled(pixels: Pixels) -> Features:
        return 2 * Thumbnail()(pixels).double()

    features = features_of(Pictures(DIGITS, 700), doubled, "digits", progress=False)
    whole = Thumbnail()(Pictures(DIGITS, 700).at(range(700)))
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, 2 * whole)


def test_what_was_made_once_is_read_without_asking_the_network(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    made = FeatureCache(tmp_path / "new" / "cache").features(Pictures(SOME), first, "digits")
    kept = FeatureCache(tmp_path / "new" / "cache").features(Pictures(SOME), second, "digits")
    assert (first.seen, second.seen) == (300, 0)
    assert torch.equal(made, kept)
    (path,) = (tmp_path / "new" / "cache").iterdir()
    assert path.name.startswith("counting-")
    assert path.suffix == ".npy"


@pytest.mark.promise(
    "kept features are torn, emptied, replaced, or hold code",
    "they are computed anew, and nothing runs",
)
@pytest.mark.parametrize("damage", ["torn", "emptied", "replaced", "shortened", "pickled"])
def test_a_damaged_file_is_made_anew(damage: str, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    made = cache.features(Pictures(SOME), Counting(), "digits")
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    if damage == "shortened":
        np.save(path, made[:7].numpy())
    elif damage == "pickled":
        np.save(path, np.array([{}] * 300, dtype=object), allow_pickle=True)
    else:
        path.write_bytes({"torn": content[: len(content) // 2], "emptied": b""}.get(damage, b"no"))
    network = Counting()
    assert torch.equal(cache.features(Pictures(SOME), network, "digits"), made)
    assert network.seen == 300
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_other_images_and_other_networks_have_files_of_their_own(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    changed = ArraySet(SOME.pixels.clone(), SOME.labels, SOME.class_names)
    changed.pixels[250, 0, 3, 3] ^= 1
    for images, network in (
        (Pictures(SOME), Counting()),
        (Pictures(SOME, 100), Counting()),
        (Pictures(changed), Counting()),
        (Pictures(SOME), Counting(side=2)),
        (Pictures(SOME), Counting(name="other")),
    ):
        before = len(list(tmp_path.iterdir()))
        features = cache.features(images, network, "digits")
        assert torch.equal(features, network.inner(images.at(range(len(images)))))
        assert len(list(tmp_path.iterdir())) == before + 1


def test_features_do_not_depend_on_how_images_come_together() -> None:
    class InThrees:
        first_seed = None

        def __len__(self) -> int:
            return len(SOME)

        def batches(self):
            yield from SOME.pixels.split(3)

        def at(self, places):
            return SOME.pixels[list(places)]

    threes = features_of(InThrees(), Thumbnail(), "digits", progress=False)
    assert torch.equal(threes, features_of(Pictures(SOME), Thumbnail(), "digits", progress=False))
