import math

import pytest
import torch
from torchvision.transforms.functional import adjust_contrast

from darkroom.augmentation import Colour, ColourMatrix
from darkroom.randomness import Noise

N = 300
each = pytest.mark.parametrize("transform", [Colour(), ColourMatrix()], ids=["Colour", "Matrix"])


def noise():
    return Noise(3, torch.arange(N))


def images(channels, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(N, channels, 5, 4, generator=generator, dtype=dtype) - 1


@each
@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_stays_and_the_colours_do_not_depend_on_it(transform, channels):
    before = images(channels)
    after = transform(before, noise(), 1.0)
    assert torch.equal(after[:, -1], before[:, -1])
    assert torch.equal(after[:, :-1], transform(before[:, :-1], noise(), 1.0))


@pytest.mark.parametrize(
    "transform",
    [
        Colour(brightness=0, contrast=0),
        ColourMatrix(brightness=0, contrast=0, luma_flip=0),
    ],
    ids=["Colour", "Matrix"],
)
def test_saturation_and_hue_leave_grey_alone(transform):
    for before in (images(1), images(2)):
        assert torch.equal(transform(before, noise(), 1.0), before)
    grey = images(1).expand(-1, 3, -1, -1)
    torch.testing.assert_close(transform(grey, noise(), 1.0), grey)


@each
def test_grey_images_change_as_grey_colours_do(transform):
    grey = images(1)
    coloured = transform(grey.expand(-1, 3, -1, -1), noise(), 1.0)
    torch.testing.assert_close(coloured, transform(grey, noise(), 1.0).expand(-1, 3, -1, -1))


@pytest.mark.parametrize("probability", [0.5, 1.0])
def test_colour_is_that_of_the_paper(probability):
    """mit-han-lab/data-efficient-gans, DiffAugment_pytorch.py, with our draws for torch.rand."""
    drawn, x = noise(), images(3)
    chosen = [happening[:, None, None, None] for happening in drawn.uniform(3).unbind(1)]
    rand = [number[:, None, None, None].double() for number in drawn.uniform(3).unbind(1)]

    def brightness(x):
        return x + (rand[0] - 0.5)

    def saturation(x):
        mean = x.mean(dim=1, keepdim=True)
        return (x - mean) * (rand[1] * 2) + mean

    def contrast(x):
        mean = x.mean(dim=[1, 2, 3], keepdim=True)
        return (x - mean) * (rand[2] + 0.5) + mean

    expected = x
    for change, happening in zip((brightness, saturation, contrast), chosen, strict=True):
        expected = torch.where(happening < probability, change(expected), expected)
    after = Colour()(x, noise(), probability)
    torch.testing.assert_close(after, expected, atol=1e-6, rtol=0)


def test_contrast_is_that_of_torchvision():
    x = images(1).abs()  # torchvision's images lie within 0..1
    after = Colour(brightness=0, saturation=0, contrast=1)(x, noise(), 1.0)
    drawn = noise()
    drawn.uniform(3)
    for image, changed, factor in zip(x, after, 2 * drawn.uniform(3)[:, 2], strict=True):
        expected = adjust_contrast(image, factor.item())
        torch.testing.assert_close(changed.clamp(0, 1), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("probability", [0.5, 1.0])
def test_the_closed_form_is_the_product_of_the_papers_matrices(channels, probability):
    """NVlabs/stylegan2-ada-pytorch, training/augment.py, with our draws."""
    drawn, x = noise(), images(channels)
    happens = (drawn.uniform(5) < probability).double()
    heads, angle = (2 * drawn.uniform(2).double() - 1).unbind(1)
    normal = drawn.normal(3).double()
    eye, v = torch.eye(4).double(), torch.tensor([1, 1, 1, 0]).double() / math.sqrt(3)
    luma, across = torch.outer(v, v), torch.zeros(4, 4).double()
    across[0, 1] = across[1, 2] = across[2, 0] = -1 / math.sqrt(3)
    across -= across.T.clone()  # the vector product with v
    only_colours = torch.diag(torch.tensor([1, 1, 1, 0])).double()

    expected = []
    for n in range(N):
        brighter, contrasted, tossed, turned, saturated = happens[n]
        C = eye.clone()
        C[:3, 3] = 0.2 * normal[n, 0] * brighter
        c = torch.exp2(0.5 * normal[n, 1] * contrasted)
        C = torch.diag(torch.stack([c, c, c, torch.ones_like(c)])) @ C
        C = (eye - 2 * luma * tossed * (heads[n] < 0)) @ C
        theta = math.pi * angle[n] * turned
        C = torch.linalg.matrix_exp(theta * across) @ C  # the rotation around v
        s = torch.exp2(normal[n, 2] * saturated)
        C = (luma + (eye - luma) * s + (eye - only_colours) * (1 - s)) @ C
        colours = x[n].expand(3, -1, -1).flatten(1)
        expected.append((C[:3, :3] @ colours + C[:3, 3:]).reshape(3, *x.shape[2:])[:channels])

    after = ColourMatrix()(x, noise(), probability)
    torch.testing.assert_close(after, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_a_third_of_a_turn_of_hue_exchanges_the_colours():
    class Chosen(Noise):
        def uniform(self, *shape):
            return torch.full((N, *shape), (1 + 2 / 3) / 2)  # a turn by 120 degrees

    x = images(3)
    transform = ColourMatrix(brightness=0, contrast=0, luma_flip=0, saturation=0)
    after = transform(x, Chosen(0, torch.arange(N)), 1.0)
    torch.testing.assert_close(after, x.roll(1, dims=1), atol=1e-6, rtol=0)
