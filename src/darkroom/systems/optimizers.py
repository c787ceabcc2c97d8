"""Optimizers whose settings follow the clock."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn, optim

from darkroom.schedules import Schedule, at

OptimizerFactory = Callable[[Iterable[nn.Parameter]], optim.Optimizer]


class Adam(optim.Adam):
    """torch's Adam in its fused form, whose learning rate and betas may be schedules.

    All are set anew before each step, so that a resumed run takes those of its config and of its
    clock, and not those that a checkpoint remembers.

    Args:
        params: What is moved.
        lr: The learning rate.
        betas: Shares that the averages of the gradient and of its square keep at each step.
        fused: One kernel for all weights; 2.5 times as fast as others, also on a CPU.
        options: As for torch.optim.Adam.

    Raises:
        ValueError: If there are not two betas.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float | Schedule = 1e-3,
        betas: Sequence[float | Schedule] = (0.9, 0.999),
        fused: bool = True,
        **options: Any,
    ) -> None:
        if len(betas) != 2:
            raise ValueError(f"betas={list(betas)}: Adam takes two, such as [0.5,0.999].")
        self.settings = {"lr": lr, "beta1": betas[0], "beta2": betas[1]}
        super().__init__(params, fused=fused, **self._at(0), **options)

    def advance(self, images_seen: int) -> None:
        """Takes the settings of this time of the training's clock."""
        for group in self.param_groups:
            group.update(self._at(images_seen))

    def _at(self, images_seen: int) -> dict[str, Any]:
        lr, beta1, beta2 = (float(at(each, images_seen)) for each in self.settings.values())
        return {"lr": lr, "betas": (beta1, beta2)}
