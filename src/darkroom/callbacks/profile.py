"""Where the time of a step goes, module by module."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.autograd.profiler import record_function
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, tensorboard_trace_handler

from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer

FOLDER = "profile"
MODULE = "module "  # before the dotted name of a module, in a trace
BACKWARD = "autograd::engine::evaluate_function: "  # before what has a sequence number
OPTIMIZER = "Optimizer.step#"
STEP = "training_step"  # Lightning has automatic optimizers call it, within their own step
OUTSIDE = "(outside of modules)"
SHOWN = 15  # modules in the table; the trace has all


@dataclass
class Cost:
    """Milliseconds of one step.

    Attributes:
        forward: In the module's own operations, without those of the modules within it.
        backward: In their derivatives, of whatever order.
    """

    forward: float = 0.0
    backward: float = 0.0

    @property
    def whole(self) -> float:
        return self.forward + self.backward


class Profile(Callback):
    """Records some steps, says what the modules of the system cost, and leaves a trace.

    The trace lies in `profile/` in the run's folder, for chrome://tracing, ui.perfetto.dev or
    TensorBoard's profile plugin; a module's range in it bears its dotted name. Costs are of the
    processor, or of the GPU where there is one, and recording itself makes steps slower, so only
    shares mean something.

    Args:
        after: Steps that are left alone, while caches and kernels settle.
        steps: Steps that are recorded.

    Raises:
        ValueError: If a number makes no sense, or if networks are compiled: compiled code has no
            modules.
    """

    def __init__(self, after: int = 20, steps: int = 10) -> None:
        for name, value, least in (("after", after, 0), ("steps", steps, 1)):
            if value < least:
                raise ValueError(
                    f"callbacks.profile.{name}={value}: type a number from {least} on."
                )
        self.after, self.steps = after, steps
        self.recorder: profile | None = None
        self.marks = ExitStack()
        self.seen = 0

    def setup(self, trainer: Trainer, system: System, stage: str) -> None:
        if trainer.compiles:
            raise ValueError(
                "callbacks=profile says what modules cost, and compiled code has none. Type "
                "trainer.compile=false, or profile it with +trainer.profiler=pytorch."
            )

    def on_train_batch_start(
        self, trainer: Trainer, system: System, batch: Batch, batch_idx: int
    ) -> None:
        if self.seen == self.after and trainer.is_global_zero:
            self.marks.enter_context(marked(system))
            self.marks.enter_context(_marked_steps(system))
            activities = [ProfilerActivity.CPU]
            if trainer.strategy.root_device.type == "cuda":
                activities.append(ProfilerActivity.CUDA)
            self.recorder = profile(activities=activities)
            self.recorder.start()
        self.seen += 1

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if self.seen == self.after + self.steps:
            self._tell(trainer, system)

    def on_train_end(self, trainer: Trainer, system: System) -> None:
        if self.seen < self.after + self.steps and trainer.is_global_zero:
            print(
                f"Nothing is profiled: the run ended after {self.seen} steps. Type "
                f"trainer.max_images=<more> or callbacks.profile.after=0."
            )

    def _tell(self, trainer: Trainer, system: System) -> None:
        recorder, self.recorder = self.recorder, None
        if recorder is None:  # another device than the first one
            return
        recorder.stop()
        self.marks.close()
        folder = Path(trainer.default_root_dir) / FOLDER
        tensorboard_trace_handler(str(folder))(recorder)
        costs = costs_of(recorder.events(), self.steps)
        kinds = {name: type(module).__name__ for name, module in system.named_modules()}
        named = {f"{name} {kinds.get(name, '')}".rstrip(): cost for name, cost in costs.items()}
        table = "\n".join(_table(named))
        (folder / "modules.md").write_text(table + "\n")
        print(f"\n{table}\n\nprofile      {folder}")


def costs_of(events: list[FunctionEvent], steps: int) -> Mapping[str, Cost]:
    """What each module cost in a step, by its dotted name; by other names what is no module's.

    An operation belongs to the innermost module within whose call it ran. A derivative belongs to
    the module of the operation that it is of: both bear the number that autograd gave the
    operation. So do derivatives of derivatives, as penalties on gradients have them.

    Args:
        events: A recorder's, of some whole steps.
        steps: How many steps.
    """
    owners: dict[int, str] = {}  # of autograd's numbers
    costs: defaultdict[str, Cost] = defaultdict(Cost)
    on_gpu = any(event.device_time_total for event in events)
    for event in sorted(events, key=lambda event: event.time_range.start):
        if event.device_type.name != "CPU":  # its time is also with the operation that asked for it
            continue
        owner, is_backward = _owner(event, owners)
        if event.sequence_nr >= 0 and not event.name.startswith(BACKWARD):
            owners[event.sequence_nr] = owner  # the last one to see a number is the one that has it
        taken = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        milliseconds = taken / 1e3 / steps
        if is_backward:
            costs[owner].backward += milliseconds
        else:
            costs[owner].forward += milliseconds
    return dict(sorted(costs.items(), key=lambda each: -each[1].whole))


def _owner(event: FunctionEvent, owners: Mapping[int, str]) -> tuple[str, bool]:
    """Whose an event is, and whether it is a derivative."""
    at: FunctionEvent | None = event
    while at is not None:
        if at.name.startswith(BACKWARD):
            return owners.get(at.sequence_nr, OUTSIDE), True
        if at.name.startswith(MODULE):
            return at.name.removeprefix(MODULE), False
        if at.name == STEP:
            return OUTSIDE, False
        if at.name.startswith(OPTIMIZER):
            return f"({at.name.removeprefix(OPTIMIZER).partition('.')[0]})", False
        at = at.cpu_parent
    return OUTSIDE, False


@contextmanager
def marked(network: nn.Module) -> Iterator[None]:
    """Ranges around the calls of all modules, as long as it lasts."""
    hooks = []
    for name, module in network.named_modules():
        if name:
            mark = _Mark(MODULE + name)
            hooks.append(module.register_forward_pre_hook(mark.begin))
            hooks.append(module.register_forward_hook(mark.end, always_call=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _marked_steps(system: System) -> Iterator[None]:
    """A range around the system's own part of each step, as long as it lasts."""
    step = system.training_step

    def training_step(batch: Batch) -> Any:
        with record_function(STEP):
            return step(batch)

    vars(system)[STEP] = training_step
    try:
        yield
    finally:
        del vars(system)[STEP]


class _Mark:
    """The range of one module's calls, which can lie within one another."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.opened: list[record_function] = []

    def begin(self, *_: Any) -> None:
        self.opened.append(record_function(self.name))
        self.opened[-1].__enter__()

    def end(self, *_: Any) -> None:
        self.opened.pop().__exit__(None, None, None)


def _table(costs: Mapping[str, Cost]) -> Iterator[str]:
    """The largest costs, as Markdown."""
    whole = sum(cost.whole for cost in costs.values())
    shown = list(costs.items())[:SHOWN]
    others = [cost for _, cost in list(costs.items())[SHOWN:]]
    if others:
        sums = sum(c.forward for c in others), sum(c.backward for c in others)
        shown.append((f"({len(others)} others)", Cost(*sums)))
    wide = max(len(name) for name, _ in shown)
    yield f"| {'module':<{wide}} | forward ms | backward ms | share |"
    yield f"|{'-' * (wide + 2)}|-----------:|------------:|------:|"
    for name, cost in shown:
        numbers = f"{cost.forward:10.2f} | {cost.backward:11.2f} | {cost.whole / whole:5.1%}"
        yield f"| {name:<{wide}} | {numbers} |"
    yield f"| {'a step':<{wide}} | {'':10} | {whole:11.2f} |       |"
