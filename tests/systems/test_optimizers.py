import pytest
import torch
from torch import nn

from darkroom.schedules import Linear
from darkroom.systems import Adam


def moved(optimizer: type[torch.optim.Adam], steps: int, **options) -> torch.Tensor:
    weight = nn.Parameter(torch.linspace(-1, 1, 7))
    stepper = optimizer([weight], **options)
    for step in range(steps):
        if isinstance(stepper, Adam):
            stepper.advance(step)
        weight.grad = weight.detach().square() - 0.3
        stepper.step()
    return weight.detach()


def test_without_schedules_it_is_torchs_adam() -> None:
    options = {"lr": 0.01, "betas": [0.5, 0.9], "eps": 1e-6, "weight_decay": 0.1}
    torch.testing.assert_close(moved(Adam, 5, **options), moved(torch.optim.Adam, 5, **options))


def test_the_rate_and_the_betas_are_those_of_the_clock() -> None:
    optimizer = Adam(
        [nn.Parameter(torch.zeros(1))], lr=Linear(1.0, 0.5, of=100), betas=[0, Linear(0.9, 1, 100)]
    )
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (1.0, (0, 0.9))
    optimizer.advance(50)
    assert optimizer.param_groups[0]["lr"] == 0.75
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0, 0.95))


def test_a_schedule_changes_what_is_learned() -> None:
    constant = moved(Adam, 5, lr=0.01)
    assert not torch.equal(moved(Adam, 5, lr=Linear(0.01, 0.1, of=5)), constant)
    assert torch.equal(moved(Adam, 5, lr=Linear(0.01, 0.01, of=5)), constant)


def test_a_resumed_optimizer_takes_the_rate_of_its_config() -> None:
    before, after = (Adam([nn.Parameter(torch.zeros(1))], lr=lr) for lr in (0.1, 0.2))
    after.load_state_dict(before.state_dict())
    after.advance(10)
    assert after.param_groups[0]["lr"] == 0.2


def test_betas_have_to_be_two() -> None:
    with pytest.raises(ValueError, match=r"betas=\[0.5\]: Adam takes two"):
        Adam([nn.Parameter(torch.zeros(1))], betas=[0.5])
