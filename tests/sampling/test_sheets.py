"""Sheets of images: what is on them, in which order, under which names."""

import math

import pytest
import torch

from darkroom.networks import DCGANGenerator
from darkroom.sampling import (
    Classes,
    Interpolation,
    Reconstruction,
    Samples,
    develop,
    drawn,
    labels_of,
    latents_of,
    slerp,
)

LATENT_DIM = 8


class Drawer:
    """Makes images, as a system does."""

    latent_dim, device, dtype = LATENT_DIM, torch.device("cpu"), torch.float32

    def __init__(self):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.generator = DCGANGenerator(16, 1, LATENT_DIM, width=4).eval()
        self.batch_sizes = []

    def __call__(self, latents, labels=None):
        self.batch_sizes.append(len(latents))
        return self.generator(10 * latents)


class Sorter:
    """Draws the number of the class as a brightness; the latents make no difference."""

    latent_dim, class_shares = LATENT_DIM, torch.tensor([0.5, 0.2, 0.3])

    def __call__(self, latents, labels=None):
        return (labels[:, None, None, None] / 127.5 - 1).expand(-1, 1, 16, 16)


class Rebuilder(Drawer):
    """Rebuilds images too, as a system with an encoder does."""

    def reconstruct(self, images):
        return -images


@pytest.fixture
def drawer():
    return Drawer()


def no_images(n):
    raise AssertionError("this drawing needs no held-out images")


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_image_k_is_that_of_seed_k_in_any_batch_size_and_company(drawer, batch_size):
    sheet = Samples(n=7, first_seed=0)(drawer, no_images, batch_size=7)
    alone = Samples(n=2, first_seed=4)(drawer, no_images, batch_size)
    assert torch.equal(alone.pixels, sheet.pixels[4:6])
    assert len(sheet.pixels.flatten(1).unique(dim=0)) == 7


def test_the_generator_sees_one_batch_size_only_and_nothing_is_added_or_lost(drawer):
    batches = list(develop(drawer, latents_of(range(7), LATENT_DIM), batch_size=3))
    assert drawer.batch_sizes == [3, 3, 3]
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert {(batch.dtype, batch.requires_grad) for batch in batches} == {(torch.uint8, False)}


def test_samples_are_named_by_their_seeds(drawer):
    sheet = Samples(n=3, first_seed=98, columns=2)(drawer, no_images)
    assert sheet.names == ("seed-000098", "seed-000099", "seed-000100")
    assert sheet.columns == 2


def test_an_interpolation_begins_and_ends_at_the_images_of_its_seeds(drawer):
    sheet = Interpolation(n=2, first_seed=5, steps=4)(drawer, no_images)
    samples = Samples(n=3, first_seed=5)(drawer, no_images).pixels.int()
    starts, ends = sheet.pixels[0::4].int(), sheet.pixels[3::4].int()
    assert (starts - samples[:2]).abs().max() <= 1
    assert (ends - samples[1:]).abs().max() <= 1
    assert sheet.columns == 4
    assert sheet.names[:4] == tuple(f"seed-000005-to-000006-{k:03d}" for k in range(4))
    assert len(set(sheet.names)) == len(sheet.pixels) == 8


def test_slerp_goes_from_one_end_to_the_other_in_equal_angles_on_the_sphere():
    a, b = 2 * torch.eye(3)[0], torch.tensor([-1.0, math.sqrt(3), 0])  # 120 degrees apart
    path = slerp(a, b, torch.linspace(0, 1, 5))
    torch.testing.assert_close(path[[0, -1]], torch.stack([a, b]))
    degrees = torch.rad2deg(torch.atan2(path[:, 1], path[:, 0]))
    torch.testing.assert_close(degrees, torch.tensor([0.0, 30, 60, 90, 120]))
    torch.testing.assert_close(path.norm(dim=1), torch.full((5,), 2.0))


def test_a_reconstruction_follows_its_original():
    held_out = torch.randint(0, 256, (5, 1, 16, 16), dtype=torch.uint8)
    sheet = Reconstruction(n=3, columns=6)(Rebuilder(), lambda n: held_out[:n], batch_size=2)
    assert torch.equal(sheet.pixels[0::2], held_out[:3])
    assert torch.equal(sheet.pixels[1::2], 255 - held_out[:3])
    assert sheet.names[2:4] == ("000001-real", "000001-rebuilt")
    assert (len(sheet.names), sheet.columns) == (6, 6)


def test_only_as_many_held_out_images_are_rebuilt_as_there_are():
    held_out = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    sheet = Reconstruction(n=5)(Rebuilder(), lambda n: held_out[:n])
    assert len(sheet.pixels) == len(sheet.names) == 4


def test_a_model_without_encoder_is_told_what_it_can_draw(drawer):
    with pytest.raises(ValueError, match="draw=samples"):
        Reconstruction()(drawer, no_images)


@pytest.mark.parametrize(
    ("draw", "option"),
    [
        *((draw, "n") for draw in (Samples, Classes, Interpolation, Reconstruction)),
        *((draw, "columns") for draw in (Samples, Reconstruction)),
        (Interpolation, "steps"),
    ],
)
def test_a_sheet_without_images_is_refused(draw, option):
    with pytest.raises(ValueError, match=rf"draw\.{option}=0: type a number from 1 on\."):
        draw(**{option: 0})


# --- classes


def classes_in(sheet):
    return sheet.pixels[:, 0, 0, 0].tolist()


def test_the_class_of_a_seed_depends_on_that_seed_alone_and_classes_come_as_often_as_in_the_data():
    labels = labels_of(range(6000), Sorter())
    assert torch.equal(labels_of([7, 4000], Sorter()), labels[[7, 4000]])
    shares = torch.bincount(labels, minlength=3) / len(labels)
    torch.testing.assert_close(shares, Sorter.class_shares, atol=0.02, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_each_image_is_of_the_class_of_its_seed_in_any_batch_size(batch_size):
    pixels = torch.cat(list(drawn(Sorter(), range(10), batch_size)))
    assert pixels[:, 0, 0, 0].tolist() == labels_of(range(10), Sorter()).tolist()


def test_a_label_makes_all_images_of_one_class():
    assert classes_in(Samples(n=5, label=2)(Sorter(), no_images)) == [2] * 5
    assert classes_in(Interpolation(n=2, steps=3, label=1)(Sorter(), no_images)) == [1] * 6


def test_a_row_of_an_interpolation_keeps_the_class_that_it_begins_with():
    sheet = Interpolation(n=4, steps=3)(Sorter(), no_images)
    assert classes_in(sheet) == labels_of(range(4), Sorter()).repeat_interleave(3).tolist()


def test_a_sheet_of_classes_has_a_row_for_each_and_the_same_seeds_in_all():
    sheet = Classes(n=4, first_seed=3)(Sorter(), no_images)
    assert classes_in(sheet) == [0] * 4 + [1] * 4 + [2] * 4
    assert sheet.columns == 4
    assert sheet.names[:2] == ("class-000-seed-000003", "class-000-seed-000004")


def test_a_class_that_the_model_does_not_know_is_refused(drawer):
    with pytest.raises(ValueError, match="label=3: this model draws classes 0 to 2"):
        labels_of([0], Sorter(), 3)
    with pytest.raises(ValueError, match="label=0: this model was not told of any classes"):
        labels_of([0], drawer, 0)
    with pytest.raises(ValueError, match="draw=classes needs a model that was told of classes"):
        Classes()(drawer, no_images)
    assert labels_of([0], drawer) is None
