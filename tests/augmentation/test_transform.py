"""What all changes share that a gradient passes through."""

import pytest
import torch
from torch.nn import functional

from darkroom.augmentation import Colour, ColourMatrix, Cutout, Geometry, Transform, Translation
from darkroom.randomness import Noise

N = 400
STILL = {"flip": 0, "quarter_turn": 0, "shift": 0, "scale": 0, "degrees": 0, "stretch": 0}
PALE = {"brightness": 0, "contrast": 0, "luma_flip": 0, "hue": 0, "saturation": 0}

each = pytest.mark.parametrize(
    "transform",
    [Colour(), Translation(), Cutout(), Geometry(), ColourMatrix()],
    ids=lambda transform: type(transform).__name__,
)
each_single = pytest.mark.parametrize(
    "transform",
    [
        Colour(saturation=0, contrast=0),
        Colour(brightness=0, contrast=0),
        Colour(brightness=0, saturation=0),
        Translation(share=1),
        Cutout(),
        *(Geometry(**STILL | {"drift": 0} | {k: v}) for k, v in (("shift", 1), ("degrees", 180))),
        *(Geometry(**STILL | {"drift": 0} | {k: 0.2}) for k in ("scale", "stretch", "drift")),
        *(ColourMatrix(**PALE | {k: 0.5}) for k in ("brightness", "contrast", "saturation")),
        ColourMatrix(**PALE | {"hue": 180}),
    ],
    ids=str,
)
each_shape = pytest.mark.parametrize(
    "shape", [(1, 16, 16), (2, 9, 9), (3, 24, 10), (4, 7, 32), (3, 1, 2), (1, 1, 1)], ids=str
)


def numbers(count=N, first=0):
    return torch.arange(first, first + count)


def noise(count=N, first=0, purpose=7):
    return Noise(purpose, numbers(count, first))


def images(count=N, shape=(3, 8, 8), dtype=torch.float32):
    """Images in which no two pixels are alike."""
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.rand(count, *shape, generator=generator) - 1).to(dtype)


def changed(before, after):
    return (before != after).flatten(1).any(1)


@each
def test_a_change_is_a_transform(transform):
    assert isinstance(transform, Transform)


@each
@each_shape
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("probability", [0.0, torch.zeros(())], ids=["number", "tensor"])
def test_at_probability_0_nothing_changes_at_all(transform, shape, dtype, probability):
    before = images(5, shape, dtype)
    assert torch.equal(transform(before, noise(5), probability), before)


@each
@each_shape
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_images_keep_their_shape_and_type_and_stay_finite(transform, shape, dtype):
    after = transform(images(20, shape, dtype), noise(20), 1.0)
    assert (after.shape, after.dtype) == ((20, *shape), dtype)
    assert torch.isfinite(after).all()


@each_single
@pytest.mark.parametrize(("probability", "low", "high"), [(0.5, 150, 250), (1, 370, N)])
def test_images_are_changed_as_often_as_asked(transform, probability, low, high):
    before = images()
    for p in (probability, torch.tensor(float(probability))):
        count = changed(before, transform(before, noise(), p)).sum()
        assert low <= count <= high


@each
def test_an_image_is_changed_alike_alone_and_in_company(transform):
    before = images(9)
    together = transform(before, noise(9), 0.7)
    alone = transform(before[5:6], noise(1, first=5), 0.7)
    torch.testing.assert_close(together[5], alone[0])


@each
def test_the_change_follows_from_purpose_and_number(transform):
    before = images(20)
    first = transform(before, noise(20), 1.0)
    assert torch.equal(transform(before, noise(20), 1.0), first)
    assert changed(transform(before, noise(20, first=20), 1.0), first).sum() > 15
    assert changed(transform(before, noise(20, purpose=8), 1.0), first).sum() > 15


@each
def test_what_one_change_draws_no_later_one_draws_again(transform):
    drawn = set()
    for probability in (0.0, 0.5, 1.0):
        used = noise(3)
        transform(images(3), used, probability)
        drawn.add(used.drawn)
    assert len(drawn) == 1  # so that what follows does not depend on what has happened
    assert drawn.pop() > 0


@each
@pytest.mark.parametrize("shape", [(1, 4, 5), (2, 3, 2), (3, 3, 3), (4, 2, 3)], ids=str)
def test_a_gradient_passes_twice(transform, shape):
    x = images(2, shape, torch.float64).requires_grad_()

    def augmented(x):
        return transform(x, noise(2), 0.8)

    assert torch.autograd.gradcheck(augmented, x)
    assert torch.autograd.gradgradcheck(lambda x: augmented(x) ** 3, x)


@each
def test_a_penalty_of_gradients_reaches_the_discriminator(transform):
    """As in R1: the squared gradient by the images, through the change, by the weights."""
    x = images(8).requires_grad_()
    kernel = (images(4, (3, 3, 3))).requires_grad_()
    logits = functional.conv2d(transform(x, noise(8), 0.5), kernel).tanh().sum((1, 2, 3))
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert kernel.grad.abs().min() > 0
    assert torch.isfinite(kernel.grad).all()
    assert x.grad.flatten(1).abs().sum(1).min() > 0


@each
def test_autocast_does_not_round_where_pixels_go(transform):
    before = images(50, (3, 32, 32))
    plain = transform(before, noise(50), 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        cast = transform(before, noise(50), 1.0)
    assert torch.equal(plain, cast)


@each
@pytest.mark.parametrize("shape", [(1, 8, 8), (4, 8, 6)], ids=str)
def test_no_value_is_waited_for(transform, shape):
    """Tensors without values cannot be looked at."""
    meta = torch.device("meta")
    drawn = Noise(7, torch.arange(5, device=meta))
    after = transform(torch.empty(5, *shape, device=meta), drawn, torch.zeros((), device=meta))
    assert after.device == meta


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Colour, {"brightness": -1}, r"Colour\.brightness=-1: type a number from 0 on"),
        (Colour, {"saturation": -0.1}, r"Colour\.saturation=-0.1"),
        (Colour, {"contrast": float("nan")}, r"Colour\.contrast=nan"),
        (Translation, {"share": 1.5}, r"Translation\.share=1.5: type a number from 0 to 1"),
        (Cutout, {"share": -0.5}, r"Cutout\.share=-0.5"),
        (Geometry, {"flip": 2}, r"Geometry\.flip=2"),
        (Geometry, {"quarter_turn": -1}, r"Geometry\.quarter_turn=-1"),
        (Geometry, {"shift": 1.1}, r"Geometry\.shift=1.1"),
        (Geometry, {"scale": -1}, r"Geometry\.scale=-1"),
        (Geometry, {"degrees": 270}, r"Geometry\.degrees=270: type a number from 0 to 180"),
        (Geometry, {"stretch": -1}, r"Geometry\.stretch=-1"),
        (Geometry, {"drift": -1}, r"Geometry\.drift=-1"),
        (ColourMatrix, {"brightness": -1}, r"ColourMatrix\.brightness=-1"),
        (ColourMatrix, {"contrast": -1}, r"ColourMatrix\.contrast=-1"),
        (ColourMatrix, {"luma_flip": 1.5}, r"ColourMatrix\.luma_flip=1.5"),
        (ColourMatrix, {"hue": 200}, r"ColourMatrix\.hue=200"),
        (ColourMatrix, {"saturation": -1}, r"ColourMatrix\.saturation=-1"),
    ],
)
def test_an_impossible_option_is_refused_by_name(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
