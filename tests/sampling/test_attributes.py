"""Attribute vectors, on a model whose latents are known."""

import pytest
import torch

from darkroom.images import to_float, to_pixels
from darkroom.sampling import Attribute
from tests.sampling.toys import Linear, no_images, orthonormal

CLASSES = ("neutral", "smiling", "winking")
SHAPE = (1, 4, 4)


class Coder(Linear):
    """Encodes by the transpose of an orthonormal matrix; its prior swaps the signs."""

    def __init__(self):
        super().__init__(orthonormal(16, 3), SHAPE)

    def forward(self, latents, labels=None):
        raise AssertionError("this is past the prior")

    def with_standard_prior(self):
        return Past(self.matrix.data, SHAPE)


class Past(Linear):
    def encode(self, images, labels=None):
        return images.flatten(1) @ self.matrix

    def likeliest(self, images):
        return None


class Album:
    """Images of known latents; `plus` is moved by 0.8 along the second axis."""

    def __init__(self, n=12):
        draw = torch.Generator().manual_seed(3)
        self.labels = torch.arange(n) % 3
        latents = 0.1 * torch.randn(n, 3, generator=draw)
        latents[:, 1] += 0.8 * (self.labels == 1)
        latents[:, 2] -= 0.6 * (self.labels == 2)
        self.pixels = to_pixels((latents @ orthonormal(16, 3).T).reshape(n, *SHAPE))

    def __call__(self, n):
        return self.pixels[:n]

    def labelled(self):
        return self.pixels, self.labels, CLASSES


def latents_of(pixels):
    return to_float(pixels).flatten(1) @ orthonormal(16, 3)


def mean(album, label):
    return latents_of(album.pixels[album.labels == label]).mean(0)


def test_the_vector_is_the_difference_of_the_means_of_two_classes():
    album = Album()
    vector, compared = Attribute("smiling", "neutral").vector(Coder().with_standard_prior(), album)
    torch.testing.assert_close(vector, mean(album, 1) - mean(album, 0), atol=1e-5, rtol=0)
    assert compared == "smiling (4 images) and neutral (4)"


def test_without_a_second_class_all_others_are_taken():
    album = Album()
    vector, compared = Attribute("smiling").vector(Coder().with_standard_prior(), album)
    rest = latents_of(album.pixels[album.labels != 1]).mean(0)
    torch.testing.assert_close(vector, mean(album, 1) - rest, atol=1e-5, rtol=0)
    assert compared == "smiling (4 images) and all others (8)"


def test_the_means_are_over_so_many_images_at_most():
    _, compared = Attribute("smiling", samples=3).vector(Coder().with_standard_prior(), Album())
    assert compared == "smiling (3 images) and all others (3)"


@pytest.mark.parametrize("batch_size", [2, 64])
def test_a_row_shows_an_image_and_then_what_it_becomes(batch_size):
    album = Album()
    sheet = Attribute("smiling", "neutral", n=3, steps=5, reach=1.0)(Coder(), album, batch_size)
    assert sheet.columns == 6
    assert sheet.names[6:9] == ("000001-real", "000001-000", "000001-001")
    rows = sheet.pixels.unflatten(0, (3, 6))
    assert torch.equal(rows[:, 0], album.pixels[:3])
    vector = mean(album, 1) - mean(album, 0)
    t = torch.linspace(-1, 1, 5)
    expected = latents_of(album.pixels[:3])[:, None] + t[:, None] * vector
    moved = latents_of(rows[:, 1:].flatten(0, 1)).reshape(3, 5, 3)
    torch.testing.assert_close(moved, expected, atol=0.03, rtol=0)
    assert "smiling (4 images) and neutral (4): a vector of length 0." in sheet.note


def test_a_model_without_encoder_and_a_class_that_is_not_there_are_refused():
    with pytest.raises(ValueError, match="draw=attribute needs a model with an encoder"):
        Attribute("smiling")(Linear(orthonormal(16, 3), SHAPE), no_images)
    with pytest.raises(ValueError, match=r"draw.minus=sad: .* They have neutral, smiling, winking"):
        Attribute("smiling", "sad")(Coder(), Album())
    album = Album()
    album.labelled = lambda: (album.pixels, album.labels, ())
    with pytest.raises(ValueError, match=r"draw.plus=smiling: .* They have none"):
        Attribute("smiling")(Coder(), album)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, "draw.n=0"),
        ({"steps": 1}, "draw.steps=1"),
        ({"samples": 0}, "draw.samples=0"),
        ({"reach": 0}, "draw.reach=0"),
        ({"minus": "smiling"}, "draw.plus and draw.minus are both smiling"),
    ],
)
def test_options_that_draw_nothing_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Attribute("smiling", **options)
