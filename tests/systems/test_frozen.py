"""A discriminator whose first layers do not train."""

import pytest
import torch
from torch import nn

from darkroom import config, networks
from darkroom.callbacks import Checkpoints, GradientNorms
from darkroom.systems.gan import freeze_first, frozen
from tests.conftest import BATCH_SIZE, SYSTEMS


def names(network: nn.Module) -> list[str]:
    """The layers that do not train."""
    still = [name for name, weight in network.named_parameters() if not weight.requires_grad]
    return list(dict.fromkeys(name.rpartition(".")[0] for name in still))


@pytest.mark.parametrize(
    ("kind", "layers", "expected"),
    [
        ("DCGANDiscriminator", 0, []),
        ("DCGANDiscriminator", 1, ["layers.0"]),
        ("DCGANDiscriminator", 2, ["layers.0", "layers.2", "layers.3"]),
        ("R3GANDiscriminator", 4, ["higher.1", "higher.2.0", "higher.2.2", "higher.2.4"]),
        (
            "SNGANDiscriminator",
            3,
            [
                "layers.1.shortcut.1",
                "layers.1.shortcut.1.parametrizations.weight",
                "layers.1.branch.0",
                "layers.1.branch.0.parametrizations.weight",
                "layers.1.branch.2",
                "layers.1.branch.2.parametrizations.weight",
            ],
        ),
    ],
)
def test_layers_are_counted_from_the_image(kind: str, layers: int, expected: list[str]) -> None:
    discriminator = getattr(networks, kind)(resolution=16, channels=1, width=8)
    freeze_first(discriminator, layers)
    assert names(discriminator) == expected
    with frozen(discriminator):
        assert not any(weight.requires_grad for weight in discriminator.parameters())
    assert names(discriminator) == expected  # and not one less


@pytest.mark.parametrize("layers", [-1, 3])
def test_a_discriminator_that_would_not_train_is_refused(layers: int) -> None:
    tree = config.OmegaConf.create(SYSTEMS["gan"] | {"frozen_layers": layers})
    with pytest.raises(ValueError, match=f"frozen_layers={layers}: .* Type a number from 0 to 2"):
        config.build(tree)


@pytest.fixture
def half_frozen(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(SYSTEMS, "half-frozen", SYSTEMS["gan"] | {"frozen_layers": 2})
    return "half-frozen"


def test_frozen_layers_keep_their_weights_and_the_others_move(half_frozen, run) -> None:
    system = run(half_frozen, images=4 * BATCH_SIZE, callbacks=(GradientNorms(),)).system
    early = run(half_frozen, images=BATCH_SIZE).system.discriminator
    for name, weight in system.discriminator.named_parameters():
        stays = name.rpartition(".")[0] in ("layers.0", "layers.2", "layers.3")
        assert torch.equal(weight, early.get_parameter(name)) == stays, name
        assert (weight.grad is None) == stays
    assert "vitals/gradient_norm/discriminator" in system.trainer.callback_metrics


def test_a_resumed_run_with_frozen_layers_ends_bit_equal(half_frozen, run, tmp_path) -> None:
    whole = run(half_frozen, images=4 * BATCH_SIZE).system.state_dict()
    run(half_frozen, images=2 * BATCH_SIZE, callbacks=(Checkpoints(every=1),))
    last = tmp_path / "checkpoints" / "last.ckpt"
    resumed = run(half_frozen, images=4 * BATCH_SIZE, resume=last).system.state_dict()
    assert all(torch.equal(resumed[k], v) for k, v in whole.items() if torch.is_tensor(v))
