"""What stops a run whose numbers have become infinite or no numbers at all."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from darkroom.callbacks.every import EveryImages
from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer

FREE = ("cpu",)  # kinds of devices that are not kept waiting by a look at a number


@dataclass(frozen=True)
class Culprit:
    """What made a loss that is not finite.

    Attributes:
        loss: Name of the loss.
        path: Dotted name of the module; `images` or `objective` if it was none.
        what: The same, described.
    """

    loss: str
    path: str
    what: str


class Finite(Callback):
    """Stops a run at the first loss that is not finite, and names the module that made it.

    The weights of such a run are lost, and every image after it is wasted. To find the module the
    step is rehearsed: the same images and noise once more, without any consequences, and with all
    modules watched. Logs `vitals/non_finite/<module>`.

    On a processor every loss is looked at. Elsewhere that would keep the device waiting, so it is
    done with the stride of `trainer.log_every_n_steps` and before any other callback acts, which
    is why this one stands before the others.

    Raises:
        ValueError: With the loss, the module, what was kept and what to try.
    """

    batch: Batch
    clock: int

    def __init__(self) -> None:
        self.is_broken: Tensor | None = None

    def on_train_batch_start(
        self, trainer: Trainer, system: System, batch: Batch, batch_idx: int
    ) -> None:
        self.batch, self.clock = batch, system.images_seen

    def on_before_backward(self, trainer: Trainer, system: System, loss: Tensor) -> None:
        if loss.device.type in FREE:
            self._decide(trainer, system, not math.isfinite(loss.item()))
            return
        is_broken = ~torch.isfinite(loss.detach())
        self.is_broken = is_broken if self.is_broken is None else self.is_broken | is_broken
        stride: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set dynamically
        if trainer.fit_loop.epoch_loop.total_batch_idx % stride == 0:
            self._look(trainer, system)

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if self.is_broken is None:  # all have been looked at
            return
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # likewise
        others = [other for other in callbacks if isinstance(other, EveryImages)]
        if any(other.is_due(trainer, system) for other in others):
            self._look(trainer, system)

    def _look(self, trainer: Trainer, system: System) -> None:
        is_broken, self.is_broken = bool(self.is_broken), None
        self._decide(trainer, system, is_broken)

    def _decide(self, trainer: Trainer, system: System, is_broken: bool) -> None:
        if not trainer.strategy.reduce_boolean_decision(is_broken, all=False):
            return
        system.images_seen = self.clock  # the noise of this step once more
        mine = culprit(trainer, system, self.batch)
        each = [trainer.strategy.broadcast(mine, src=rank) for rank in range(trainer.world_size)]
        found = next((one for one in each if one.path != "objective"), mine)
        system.write({f"vitals/non_finite/{found.path}": 1.0})
        raise ValueError(
            f"After {self.clock:,} images {found.loss} is not finite: {found.what}. "
            f"{kept(trainer)} {remedy(trainer, system, found.path)}"
        )


def culprit(trainer: Trainer, system: System, batch: Batch) -> Culprit:
    """Rehearses a step whose loss is not finite.

    Args:
        trainer: It knows the precision of the step.
        system: Its clock stands at the beginning of the step.
        batch: The images of the step.
    """
    makers: list[nn.Module] = []
    with (
        _rehearsed(system) as terms,
        _watched(system, makers.append),
        trainer.precision_plugin.train_step_context(),
        torch.compiler.set_stance("force_eager"),  # compiled code would not call the hooks
        suppress(RuntimeError, ValueError),  # memory for one step only; code that refuses a NaN
    ):
        system.training_step(batch)
    summands = [name for name in terms if name.startswith(("loss/", "penalty/"))]
    losses = [name for name in summands if not _is_finite(terms[name])]
    loss = losses[0] if losses else "a loss"
    if not _is_finite(batch.images):
        return Culprit(loss, "images", "the images that came in are not finite")
    if not makers:
        what = "no module made it, so the objective did" if losses else "nothing made it once more"
        return Culprit(loss, "objective", what)
    first = makers[0]
    path = next(name for name, module in system.named_modules() if module is first)
    what = f"{path} ({type(first).__name__}) made it"
    lost = [name for name, weight in _own(first) if not _is_finite(weight)]
    return Culprit(loss, path, f"{what}, whose {lost[0]} is not finite" if lost else what)


def broken_weights(system: System) -> list[str]:
    """Names of the weights and statistics that are not finite."""
    tensors = {name: t for name, t in system.state_dict().items() if isinstance(t, Tensor)}
    return [name for name, tensor in tensors.items() if not _is_finite(tensor)]


def kept(trainer: Trainer) -> str:
    """What is left of the run."""
    path = Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt"
    return f"{path} is from before." if path.exists() else "No checkpoint had been written."


def remedy(trainer: Trainer, system: System, path: str) -> str:
    """What to type.

    Args:
        trainer: Of the run.
        system: What it trains.
        path: Dotted name of what is broken.
    """
    options = []
    if trainer.precision != "32-true":
        options.append("trainer.precision=32-true")
    rates = {system.part_of(each): each.param_groups[0]["lr"] for each in trainer.optimizers}
    part = path.partition(".")[0]
    for name in [part] if part in rates else rates:
        optimizer = "optimizer" if len(rates) == 1 else f"{name}_optimizer"
        options.append(f"model.{optimizer}.lr={rates[name] / 10:.3g}")
    if system.automatic_optimization and not trainer.gradient_clip_val:
        options.append("trainer.gradient_clip_val=1")
    return f"Begin anew with {' or '.join(options)}."


class _Idle:
    """An optimizer that does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@contextmanager
def _rehearsed(system: System) -> Iterator[Mapping[str, Tensor]]:
    """Steps have no consequences: no gradient, no change of a weight, no time, no log.

    Yields:
        The terms that would have been logged.
    """
    terms: dict[str, Tensor] = {}
    idle = [_Idle() for _ in system.trainer.optimizers]
    replaced = {
        "manual_backward": lambda *_, **__: None,
        "optimizers": lambda *_, **__: idle if len(idle) > 1 else idle[0],
        "count": lambda _: None,
        "record": terms.update,
    }
    own = vars(system)
    before = {name: own[name] for name in replaced if name in own}
    own.update(replaced)
    try:
        yield terms
    finally:
        for name in replaced:
            del own[name]
        own.update(before)


@contextmanager
def _watched(system: System, found: Callable[[nn.Module], None]) -> Iterator[None]:
    """Reports each module that turns finite inputs into something that is not, parts first."""

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        if _is_finite(inputs) and not _is_finite(output):
            found(module)

    hooks = [module.register_forward_hook(look) for module in system.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _own(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]


def _is_finite(values: Any) -> bool:
    """Whether all floating-point numbers in tensors are finite, wherever the tensors are."""
    tensors = [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
    return all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())
