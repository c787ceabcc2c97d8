"""Images back to latents, on generators whose latents are known."""

import math
import re

import pytest
import torch

from darkroom.images import to_float
from darkroom.sampling import Inversion, develop, labels_of, latents_of
from darkroom.sampling.inversion import Encodes, psnr_of, unlikeness
from tests.sampling.toys import Classed, Linear, orthonormal

SHAPE, LATENT_DIM = (1, 16, 16), 6
QUICK = {"steps": 100, "starts": 2, "candidates": 16}


@pytest.fixture
def linear():
    """Injective, and within the range of pixels for all latents of ordinary length."""
    return Linear(2.0 * orthonormal(256, LATENT_DIM), SHAPE)


def known(n, length=0.8):
    """Latents of seeds that are no candidates, of a length that the prior has nothing against."""
    latents = latents_of(range(10_000, 10_000 + n), LATENT_DIM)
    return length * latents / latents.square().mean(1, keepdim=True).sqrt()


def images_of(generator, latents, labels=None):
    return torch.cat(list(develop(generator, latents, labels=labels)))


def inverted(generator, pixels, batch_size=64, **options):
    return Inversion(**{"n": len(pixels), **QUICK, **options})(
        generator, lambda n: pixels[:n], batch_size
    )


def test_the_latents_of_an_image_that_was_drawn_are_found(linear):
    latents = known(3)
    sheet = inverted(linear, images_of(linear, latents), steps=200)
    torch.testing.assert_close(sheet.found.latents, latents, rtol=0, atol=0.01)
    assert (sheet.found.psnr > 45).all()
    assert sheet.found.labels is None


def test_an_original_is_followed_by_what_its_latent_draws(linear):
    originals = images_of(linear, known(3))
    sheet = inverted(linear, originals, n=2, columns=6)
    assert torch.equal(sheet.pixels[0::2], originals[:2])
    assert torch.equal(sheet.pixels[1::2], images_of(linear, sheet.found.latents))
    assert torch.equal(sheet.found.psnr, psnr_of(originals[:2], sheet.pixels[1::2]))
    assert sheet.names == ("000000-real", "000000-inverted", "000001-real", "000001-inverted")
    assert (sheet.found.names, sheet.columns) == (("000000", "000001"), 6)
    assert sheet.note == f"median PSNR {sheet.found.psnr.mean():.1f} dB"  # of two


def test_only_as_many_images_are_inverted_as_there_are(linear):
    assert len(inverted(linear, images_of(linear, known(2)), n=9, steps=1).found.names) == 2


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_the_latent_of_an_image_does_not_depend_on_its_company_or_the_batch_size(
    linear, batch_size
):
    originals = images_of(linear, known(3))
    together = inverted(linear, originals, steps=20)
    alone = inverted(linear, originals[1:2], batch_size, steps=20)
    assert torch.equal(alone.found.latents[0], together.found.latents[1])
    assert torch.equal(alone.pixels, together.pixels[2:4])


def test_starts_descend_without_noticing_each_other(linear):
    original = to_float(images_of(linear, known(1)))
    starts, inversion = latents_of(range(3), LATENT_DIM), Inversion(**QUICK)
    ends, losses = inversion.descended(linear, original, starts, None)
    alone, loss = inversion.descended(linear, original, starts[1:2], None)
    torch.testing.assert_close(ends[1:2], alone, rtol=0, atol=1e-3)
    torch.testing.assert_close(losses[1:2], loss, rtol=1e-3, atol=1e-7)
    assert torch.equal(starts, latents_of(range(3), LATENT_DIM))


def test_weights_stay_as_they_are_and_get_no_gradients(linear):
    before = linear.matrix.detach().clone()
    sheet = inverted(linear, images_of(linear, known(1)))
    assert torch.equal(linear.matrix, before)
    assert linear.matrix.grad is None
    assert linear.matrix.requires_grad
    assert not sheet.found.latents.requires_grad


def test_inversion_works_where_gradients_are_off(linear):
    originals = images_of(linear, known(1))
    with torch.no_grad():
        assert inverted(linear, originals, steps=200).found.psnr.item() > 45


# --- starts


class Hidden(Linear):
    """Draws z close to one place, and nothing anywhere else: no gradient leads there."""

    def __init__(self, matrix, shape, place):
        super().__init__(matrix, shape)
        self.register_buffer("place", place)

    def forward(self, latents, labels=None):
        distance = (latents - self.place).square().sum(1, keepdim=True)
        near = (distance < 1)[:, :, None, None]
        return super().forward(latents) * near


class Told(Hidden):
    """Its encoder knows roughly where."""

    asked = ()

    def encode(self, images, labels=None):
        self.asked = (*self.asked, images)
        return (self.place + 0.1).expand(len(images), -1)


@pytest.mark.parametrize("starts", [1, 3])
def test_the_answer_of_an_encoder_is_one_of_the_starts(linear, starts):
    (place,) = known(1)
    blind, told = (kind(linear.matrix.detach(), SHAPE, place) for kind in (Hidden, Told))
    assert isinstance(told, Encodes)
    assert not isinstance(blind, Encodes)
    original = images_of(blind, place[None])
    assert inverted(blind, original, starts=starts).found.psnr.item() < 20
    sheet = inverted(told, original, starts=starts)
    assert sheet.found.psnr.item() > 35
    torch.testing.assert_close(sheet.found.latents[0], place, rtol=0, atol=0.02)
    (asked,) = told.asked
    assert torch.equal(asked, to_float(original))


class Folded(Linear):
    """G(z) = A (z + sin 6z) has valleys without an answer in them."""

    def forward(self, latents, labels=None):
        return super().forward(latents + torch.sin(6 * latents))


def test_of_several_starts_the_best_end_counts(linear, monkeypatch):
    monkeypatch.setattr("darkroom.sampling.inversion.LEARNING_RATE", 0.01)  # stays in its valley
    folded = Folded(linear.matrix.detach(), SHAPE)
    originals = images_of(folded, known(4))
    one = inverted(folded, originals, starts=1, candidates=64).found
    many = inverted(folded, originals, starts=16, candidates=64).found
    assert (many.psnr >= one.psnr).all()
    assert many.psnr.mean() > one.psnr.mean() + 1


def test_the_nearest_candidates_are_the_starts(linear):
    (nearest,) = latents_of([11], LATENT_DIM)
    sheet = inverted(linear, images_of(linear, nearest[None]), starts=1, steps=1)
    assert (sheet.found.latents[0] - nearest).abs().max() < 0.21  # one step of Adam


# --- the prior


def test_the_prior_keeps_latents_as_long_as_normal_ones_are():
    linear = Linear(orthonormal(256, LATENT_DIM), SHAPE)
    originals = images_of(linear, known(2, length=2.0))
    free = inverted(linear, originals, prior=0.0, steps=200).found.latents
    kept = inverted(linear, originals, prior=1.0, steps=200).found.latents
    torch.testing.assert_close(free, known(2, length=2.0), rtol=0, atol=0.02)
    torch.testing.assert_close(kept.square().mean(1), torch.ones(2), rtol=0, atol=0.05)


def test_the_prior_has_nothing_against_short_latents(linear):
    latents = known(1, length=0.2)
    sheet = inverted(linear, images_of(linear, latents), prior=10.0, steps=200)
    torch.testing.assert_close(sheet.found.latents, latents, rtol=0, atol=0.01)


# --- classes


@pytest.fixture
def classed():
    """Each class has a pattern of its own, which no latent draws."""
    patterns = orthonormal(256, LATENT_DIM + 3).T
    return Classed(patterns[:LATENT_DIM].T, SHAPE, 3.0 * patterns[LATENT_DIM:])


def test_the_class_is_found_too(classed):
    labels = torch.tensor([2, 0, 1, 1])
    found = inverted(classed, images_of(classed, known(4), labels), steps=200).found
    assert torch.equal(found.labels, labels)
    torch.testing.assert_close(found.latents, known(4), rtol=0, atol=0.01)


def test_the_class_of_the_best_end_counts_not_that_of_the_nearest_start(classed):
    faint = Classed(2 * classed.matrix.detach(), SHAPE, classed.offsets / 6)
    labels = torch.arange(6) % 3
    pixels = images_of(faint, known(6), labels)
    candidates = latents_of(range(16), LATENT_DIM)
    classes = labels_of(range(16), faint)
    drawn = to_float(images_of(faint, candidates, classes))
    nearest = torch.stack([unlikeness(drawn, x).argmin() for x in to_float(pixels).split(1)])
    assert not torch.equal(classes[nearest], labels)
    assert torch.equal(inverted(faint, pixels, starts=16).found.labels, labels)


def test_a_class_can_be_asked_for(classed):
    labels = torch.tensor([2, 0])
    sheet = inverted(classed, images_of(classed, known(2), labels), label=2)
    assert sheet.found.labels.tolist() == [2, 2]
    assert sheet.found.psnr[0] > sheet.found.psnr[1] + 10
    with pytest.raises(ValueError, match="label=3: this model draws classes 0 to 2"):
        inverted(classed, sheet.pixels[:1], label=3)


# --- distances


@pytest.mark.parametrize(("side", "levels"), [(4, 1), (7, 1), (8, 2), (16, 3), (28, 3), (64, 5)])
def test_a_difference_counts_at_every_level_down_to_four_pixels(side, levels):
    images = torch.full((2, 3, side, side), 0.5)
    images[1] = 0.1
    expected = levels * torch.tensor([0.25, 0.01])
    torch.testing.assert_close(unlikeness(images, torch.zeros(1, 3, side, side)), expected)


def test_what_cancels_within_two_pixels_counts_once():
    checkers = (-1.0) ** (torch.arange(16)[:, None] + torch.arange(16))
    assert unlikeness(checkers[None, None], torch.zeros(1, 1, 16, 16)).item() == pytest.approx(1)


def test_psnr_is_what_it_says_and_finite_for_equal_images():
    originals = torch.full((3, 1, 4, 4), 100, dtype=torch.uint8)
    copies = originals.clone()
    copies[1] += 1
    copies[2, 0, 0, 0] += 16
    decibels = 10 * torch.log10(255**2 / torch.tensor([1 / 16, 1, 16]))
    torch.testing.assert_close(psnr_of(originals, copies), decibels)


# --- what is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, "draw.n=0: type a number from 1 on."),
        ({"columns": 0}, "draw.columns=0: type a number from 1 on."),
        ({"steps": 0}, "draw.steps=0: type a number from 1 on."),
        ({"starts": 0}, "draw.starts=0: type a number from 1 on."),
        ({"starts": 9, "candidates": 8}, "draw.starts=9: type at most draw.candidates=8."),
        ({"prior": -1.0}, "draw.prior=-1.0: type 0 for none, or more."),
        ({"prior": math.nan}, "draw.prior=nan: type 0 for none, or more."),
        ({"prior": math.inf}, "draw.prior=inf: type 0 for none, or more."),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Inversion(**options)


def test_broken_weights_are_named_as_the_cause(linear):
    broken = Linear(linear.matrix.detach() * math.nan, SHAPE)
    with pytest.raises(ValueError, match="NaN or infinity, so the weights that made them are"):
        inverted(broken, images_of(linear, known(1)))
