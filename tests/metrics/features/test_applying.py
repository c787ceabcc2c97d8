import pytest
import torch
from torch import nn
from torch.nn import functional

from darkroom.metrics.features.applying import Frozen, Resized, rgb


class Means(nn.Module):
    def forward(self, pixels):
        self.was_inference = torch.is_inference_mode_enabled()
        self.was_autocast = torch.is_autocast_enabled("cpu")
        self.precision = torch.get_float32_matmul_precision()
        return pixels.float().mean((2, 3))


def test_a_frozen_network_works_in_batches_and_returns_a_plain_tensor(colourful):
    look = Frozen(Means(), batch_size=2, device="cpu")
    rows = look(colourful)
    assert torch.equal(rows, colourful.float().mean((2, 3)))
    assert not rows.is_inference()
    assert look.network.was_inference


def test_a_training_around_it_changes_nothing(colourful):
    look = Frozen(Means(), batch_size=2, device="cpu")
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            look(colourful)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert not look.network.was_autocast
    assert look.network.precision == "highest"


def test_a_frozen_network_is_no_part_of_a_system_that_holds_it():
    system = nn.Module()
    system.look = Frozen(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 1, "cpu")
    system.train()
    assert list(system.parameters()) == []
    assert system.state_dict() == {}
    assert not any(module.training for module in system.look.network.modules())
    assert not any(weight.requires_grad for weight in system.look.network.parameters())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 0}, "features.batch_size=0"),
        ({"device": "tpu9000"}, "features.device=tpu9000"),
        ({"device": "cuda:77"}, "features.device=cuda:77"),
    ],
)
def test_senseless_options_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Frozen(Means(), **({"batch_size": 1, "device": "cpu"} | options))


def test_auto_takes_the_accelerator_if_there_is_one():
    there = torch.accelerator.is_available()
    assert (Frozen(Means(), 1, "auto").device.type != "cpu") == there


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_everything_is_shown_in_three_colours_over_grey(channels):
    pixels = torch.full((2, channels, 4, 5), 200, dtype=torch.uint8)
    if channels in (2, 4):
        pixels[:, -1] = 0  # fully transparent
    shown = rgb(pixels)
    assert shown.shape == (2, 3, 4, 5)
    assert shown.unique().tolist() == [128 if channels in (2, 4) else 200]


def test_images_are_resized_with_a_filter_and_normalised(colourful):
    prepared = Resized(8, "bicubic", [1.0, 2.0, 3.0], [4.0, 5.0, 6.0])(colourful)
    plain = functional.interpolate(colourful.float(), (8, 8), mode="bicubic", antialias=True)
    assert torch.allclose(prepared[:, 1], (plain[:, 1].clamp(0, 255) - 2) / 5)
    same = Resized(8, "bilinear", [0.0] * 3, [1.0] * 3)(colourful[:, :, :8, :8])
    assert torch.equal(same, colourful[:, :, :8, :8].float())
