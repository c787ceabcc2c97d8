"""No step keeps the processor waiting for the device, but for those that are logged."""

from typing import Any

import pytest
from lightning.pytorch.callbacks import Callback
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from darkroom.callbacks import Finite, GradientNorms, Progress, every
from tests.conftest import BATCH_SIZE
from tests.systems.models import TYPED, known

WAITING = {"item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "nonzero"}
"""Functions whose answer the processor needs before it goes on."""


@pytest.fixture(autouse=True)
def every_model():
    with known():
        yield


class NoAnswers(TorchFunctionMode):
    """Fails where Python asks a tensor for a number."""

    def __torch_function__(self, function, types, args=(), kwargs=None) -> Any:
        name = getattr(function, "__name__", "")
        assert name not in WAITING, f"a step waits for {name}"
        return function(*args, **kwargs or {})


class NoReads(TorchDispatchMode):
    """Fails where torch itself does."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None) -> Any:
        name = function.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select"), f"{name} waits"
        return function(*args, **kwargs or {})


class Begin(Callback):
    """Lets nobody wait from here on."""

    def __init__(self) -> None:
        self.modes: list[Any] = []
        self.guarded = 0

    def on_train_batch_start(self, trainer, system, batch, batch_idx) -> None:
        if trainer.fit_loop.epoch_loop.total_batch_idx % trainer.log_every_n_steps:
            self.modes = [NoAnswers(), NoReads()]
            for mode in self.modes:
                mode.__enter__()


class End(Callback):
    """Lets everybody wait again."""

    def __init__(self, begin: Begin) -> None:
        self.begin = begin

    def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx) -> None:
        while self.begin.modes:
            self.begin.modes.pop().__exit__(None, None, None)
            self.begin.guarded += 1

    def on_exception(self, *_: Any) -> None:
        while self.begin.modes:
            self.begin.modes.pop().__exit__(None, None, None)


@pytest.mark.parametrize("model", [*TYPED, "modern"])
def test_no_step_between_two_that_are_logged_waits_for_the_device(model, run, monkeypatch):
    monkeypatch.setattr(every, "FREE", ())  # as if the processor were a GPU
    begin = Begin()
    observers = (begin, Progress(), Finite(), GradientNorms(), End(begin))
    run(model, images=6 * BATCH_SIZE, callbacks=observers, log_every_n_steps=3)
    assert begin.guarded == 2 * 4


def test_a_step_that_asks_is_found(run, monkeypatch):
    class Asks(Callback):
        def on_before_backward(self, trainer, system, loss) -> None:
            float(loss)

    begin = Begin()
    with pytest.raises(AssertionError, match="waits"):
        run("gan", 96, callbacks=(begin, Asks(), End(begin)), log_every_n_steps=3)
