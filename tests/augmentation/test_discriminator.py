from copy import deepcopy

import pytest
import torch

from darkroom.augmentation import (
    Adaptive,
    Colour,
    ColourMatrix,
    Cutout,
    DiscriminatorAugmentation,
    Geometry,
    Translation,
    Unaugmented,
)
from darkroom.randomness import Noise
from darkroom.schedules import Linear

BATCH = 8
SURE, UNSURE = torch.ones(BATCH), torch.tensor([1.0, -1.0] * (BATCH // 2))


def noise(count=BATCH):
    return Noise(3, torch.arange(count))


def images(count=BATCH):
    return 2 * torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 1


def adaptive(**options):
    options = {"images": 100 * BATCH} | options
    return DiscriminatorAugmentation([Colour()], Adaptive(**options))


def probabilities(augmentation, logits):
    """The probability after each step."""
    seen = []
    for step in logits:
        augmentation.observe(step, BATCH)
        seen.append(augmentation.probability.item())
    return seen


def wavering():
    """Logits of 200 steps in which the discriminator is now sure and now not."""
    generator = torch.Generator().manual_seed(1)
    lean = 1.2 * torch.sin(torch.arange(200) / 20)
    return torch.randn(200, BATCH, generator=generator) + lean[:, None]


def test_real_images_and_fakes_are_treated_alike():
    augment = DiscriminatorAugmentation([Colour(), Geometry(), Cutout()], 0.7)
    fake = images().requires_grad_()
    seen = augment(fake, noise())
    assert torch.equal(seen, augment(images(), noise()))
    seen.square().sum().backward()
    assert fake.grad.flatten(1).abs().sum(1).min() > 0


def test_transforms_follow_each_other_with_further_noise():
    transforms = [ColourMatrix(), Translation()]
    augment, drawn = DiscriminatorAugmentation(transforms), noise()
    first = transforms[0](images(), drawn, 1.0)
    expected = transforms[1](first, drawn, 1.0)
    assert torch.equal(augment(images(), noise()), expected)


def test_a_number_stays_as_it_is():
    augment = DiscriminatorAugmentation([Colour()], 0.25)
    for images_seen in (0, 10, 10**9):
        augment.advance(images_seen)
        augment.observe(SURE, BATCH)
        assert augment.probability == 0.25


def test_a_schedule_follows_the_clock_and_the_checkpoint_holds_it():
    augment = DiscriminatorAugmentation([Colour()], Linear(0, 0.5, of=1000))
    assert augment.probability == 0
    assert torch.equal(augment(images(), noise()), images())
    augment.advance(500)
    assert augment.probability == 0.25
    resumed = DiscriminatorAugmentation([Colour()], Linear(0, 0.5, of=1000))
    resumed.load_state_dict(augment.state_dict())
    assert resumed.probability == 0.25
    augment.advance(2000)
    assert augment.probability == 0.5


def test_p_goes_from_0_to_1_in_the_images_given_and_stays_there():
    seen = probabilities(adaptive(every=4), [SURE] * 120)
    expected = [min((step + 1) // 4 * 4 / 100, 1) for step in range(120)]
    assert seen == pytest.approx(expected)


def test_p_falls_while_the_discriminator_is_unsure_and_never_below_0():
    augment = adaptive(every=4)
    assert probabilities(augment, [UNSURE] * 8) == [0] * 8
    assert probabilities(augment, [SURE] * 8)[-1] == pytest.approx(0.08)
    falling = probabilities(augment, [UNSURE] * 12)
    assert falling == pytest.approx([0.08] * 3 + [0.04] * 4 + [0] * 5)


@pytest.mark.parametrize("every", [1, 4, 7])
@pytest.mark.parametrize("target", [0.6, 0, -0.2])
def test_p_is_that_of_the_papers_rule(every, target):
    """NVlabs/stylegan2-ada-pytorch, training/training_loop.py, and a limit of 1."""
    p, total, expected = 0.0, 100 * BATCH, []
    signs = wavering().sign().mean(1).double()
    for step in range(len(signs)):
        if (step + 1) % every == 0:
            r = signs[step + 1 - every : step + 1].mean()
            adjust = (r - target).sign().item() * BATCH * every / total
            p = min(max(p + adjust, 0), 1)
        expected.append(p)
    assert max(expected) > 0.1
    augment = adaptive(every=every, target=target)
    assert probabilities(augment, wavering()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("stop", range(40, 45))
def test_a_resumed_run_goes_on_with_the_same_probabilities(stop):
    whole = probabilities(adaptive(), wavering())
    first, resumed = adaptive(), adaptive()
    probabilities(first, wavering()[:stop])
    resumed.load_state_dict(deepcopy(first.state_dict()))
    assert probabilities(resumed, wavering()[stop:]) == whole[stop:]


def test_half_precision_takes_nothing_from_p():
    augment = adaptive(images=500_000).to(torch.bfloat16)
    for _ in range(8):
        augment.observe(SURE.bfloat16(), BATCH)
    assert augment.probability.item() == pytest.approx(8 * BATCH / 500_000)


def test_the_controller_is_never_waited_for():
    """Tensors without values cannot be looked at."""
    augment = DiscriminatorAugmentation([Colour(), Geometry()], Adaptive()).to("meta")
    drawn = Noise(3, torch.arange(BATCH, device="meta"))
    augment.observe(torch.empty(BATCH, device="meta"), BATCH)
    assert augment(images().to("meta"), drawn).device.type == "meta"


def test_what_is_seen_follows_the_controller():
    augment = adaptive(images=BATCH, every=1)
    assert torch.equal(augment(images(), noise()), images())
    augment.observe(SURE.requires_grad_(), BATCH)
    assert augment.probability == 1
    assert (augment(images(), noise()) != images()).flatten(1).any(1).all()


def test_without_augmentation_the_images_themselves_are_seen():
    augment, before = Unaugmented(), images()
    augment.advance(100)
    augment.observe(SURE, BATCH)
    assert augment(before, noise()) is before
    assert augment.probability == 0
    assert not augment.state_dict()


def test_nothing_of_it_is_trained():
    augment = adaptive()
    assert list(augment.parameters()) == []
    assert not any(value.requires_grad for value in augment.state_dict().values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DiscriminatorAugmentation([]), r"transforms=\[\]: .*Unaugmented"),
        (lambda: DiscriminatorAugmentation([Colour()], 1.5), r"probability=1.5 .*from 0 to 1"),
        (lambda: DiscriminatorAugmentation([Colour()], -0.1), r"probability=-0.1"),
        (
            lambda: DiscriminatorAugmentation([Colour()], Linear(0, 5, of=100)).advance(100),
            r"probability=5.0 at 100 images",
        ),
        (lambda: Adaptive(target=1), r"Adaptive\.target=1: type a number between -1 and 1"),
        (lambda: Adaptive(images=0), r"Adaptive\.images=0: type a number from 1 on"),
        (lambda: Adaptive(every=0), r"Adaptive\.every=0"),
    ],
)
def test_an_impossible_option_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
