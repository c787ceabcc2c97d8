"""What becomes of a step whose numbers are infinite or no numbers at all."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn, optim
from torch.utils._pytree import tree_leaves

from darkroom.callbacks.every import EveryImages, may_wait
from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer


@dataclass(frozen=True)
class Culprit:
    """What made a loss that is not finite.

    Attributes:
        loss: Name of the loss, or of the gradient.
        path: Dotted name of the module; `images` or `objective` if it was none.
        what: The same, described.
    """

    loss: str
    path: str
    what: str


class Finite(Callback):
    """Leaves out steps that are not finite, and stops a run that comes to nothing else.

    One number that is infinite, or none, would be in every weight after the step. So an optimizer
    passes over a gradient that is not finite: weights and averages stay as they are. Rare ones do
    no harm. What cannot be mended stops the run: `in_a_row` such steps one after another, or a
    weight or a statistic of batch norm that is not finite itself. To find the module that made it
    the step is rehearsed: the same images and noise once more, without any consequences, and with
    all modules watched.

    Logs `vitals/skipped_steps`, since the run was begun or resumed, and at the end
    `vitals/non_finite/<module>`.

    On a processor each step is looked at. Elsewhere that would keep the device waiting, so steps
    are left out and counted there, and looked at with the stride of `trainer.log_every_n_steps`
    and before any other callback acts, which is why this one stands before the others. Gradients
    in 16-mixed are left to the scaler, which makes infinite ones on purpose.

    Args:
        in_a_row: How many steps in a row stop a run.

    Raises:
        ValueError: With the loss, the module, what was kept and what to try.
    """

    batch: Batch
    clock: int

    def __init__(self, in_a_row: int = 10) -> None:
        if in_a_row < 1:
            raise ValueError(f"callbacks.finite.in_a_row={in_a_row}: type a number from 1 on.")
        self.in_a_row = in_a_row
        self.is_broken = torch.tensor(False)
        self.row = self.skipped = torch.tensor(0)
        self.told = 0

    def on_train_batch_start(
        self, trainer: Trainer, system: System, batch: Batch, batch_idx: int
    ) -> None:
        self.batch, self.clock = batch, system.images_seen
        self.is_broken = torch.tensor(False, device=system.device)

    def on_before_backward(self, trainer: Trainer, system: System, loss: Tensor) -> None:
        self.is_broken = self.is_broken | ~torch.isfinite(loss.detach()).all()

    def on_before_optimizer_step(
        self, trainer: Trainer, system: System, optimizer: optim.Optimizer
    ) -> None:
        if getattr(trainer.precision_plugin, "scaler", None) is None:
            weights = (weight for group in optimizer.param_groups for weight in group["params"])
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            is_broken = ~torch.isfinite(nn.utils.get_total_norm(gradients))
            leave_out_if(is_broken, optimizer)
            self.is_broken = self.is_broken | is_broken

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.row = (self.row.to(self.is_broken.device) + 1) * self.is_broken
        self.skipped = self.skipped.to(self.is_broken.device) + self.is_broken.long()
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set dynamically
        observers = [each for each in callbacks if isinstance(each, EveryImages)]
        if may_wait(trainer) or any(each.is_due(trainer, system) for each in observers):
            self._look(trainer, system)

    def _look(self, trainer: Trainer, system: System) -> None:
        row, skipped = torch.stack([self.row, self.skipped]).tolist()
        decide = partial(trainer.strategy.reduce_boolean_decision, all=False)
        if not decide(skipped > self.told):
            return
        self.told = skipped
        system.write({"vitals/skipped_steps": float(skipped)})
        if decide(row >= self.in_a_row or bool(broken_weights(system))):
            self._stop(trainer, system, row)

    def _stop(self, trainer: Trainer, system: System, row: int) -> NoReturn:
        system.images_seen = self.clock  # the step's noise once more
        mine = culprit(trainer, system, self.batch)
        each = [trainer.strategy.broadcast(mine, src=rank) for rank in range(trainer.world_size)]
        found = next((one for one in each if one.path != "objective"), mine)
        system.write({f"vitals/non_finite/{found.path}": 1.0})
        times = f", {row} steps in a row" if row > 1 else ""
        raise ValueError(
            f"After {self.clock:,} images {found.loss} is not finite{times}: {found.what}. "
            f"{kept(trainer)} {remedy(trainer, system, found.path)}"
        )


def leave_out_if(is_broken: Tensor, optimizer: optim.Optimizer) -> None:
    """Makes an optimizer pass over its next step, without a look at the device if it can."""
    if getattr(optimizer, "_step_supports_amp_scaling", False):  # fused ones
        optimizer.found_inf = is_broken.float()  # type: ignore[attr-defined]  # what a scaler sets
    elif is_broken:
        optimizer.zero_grad(set_to_none=True)


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
    if not makers and losses:
        return Culprit(loss, "objective", "no module made it, so the objective did")
    if not makers:
        slopes = [name for name, weight in system.named_parameters() if not _is_finite(weight.grad)]
        loss = f"the gradient of {slopes[0]}" if slopes else "a loss or a gradient"
        what = "all losses are, so a derivative made it" if slopes else "nothing made it once more"
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
    if not (trainer.gradient_clip_val or system.max_gradient_norm):
        options.append("model.max_gradient_norm=1")
    return f"Begin anew with {' or '.join(options)}."


@contextmanager
def _rehearsed(system: System) -> Iterator[Mapping[str, Tensor]]:
    """Steps have no consequences: no gradient, no change of a weight, no time, no log.

    Yields:
        The terms that would have been logged.
    """
    terms: dict[str, Tensor] = {}
    with (
        _replaced(system, descend=_nothing, count=_nothing, record=terms.update),
        _replaced(system.averaged, update=_nothing),
    ):
        yield terms


def _nothing(*_: Any) -> None:
    pass


@contextmanager
def _replaced(module: nn.Module, **methods: Callable[..., None]) -> Iterator[None]:
    """Puts other methods in the place of a module's own."""
    own = vars(module)
    before = {name: own[name] for name in methods if name in own}
    own.update(methods)
    try:
        yield
    finally:
        for name in methods:
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
