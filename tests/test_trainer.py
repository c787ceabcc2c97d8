"""What the trainer refuses before any work, and what it settles for several devices."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from lightning.pytorch.plugins import TorchSyncBatchNorm
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy

from darkroom import checkpoint, trainer
from darkroom.callbacks import Checkpoints
from darkroom.trainer import Trainer, quickest_precision
from tests.commands import train
from tests.systems.models import BATCH_NORM, TYPED, WIDER
from tests.systems.test_resume import everything

TWO = {"max_images": 1, "accelerator": "cpu", "devices": 2, "logger": False}


@pytest.mark.parametrize(
    "strategy", ["fsdp", "fsdp_cpu_offload", "deepspeed_stage_2", "model_parallel", FSDPStrategy()]
)
def test_sharded_strategies_are_refused_for_all_models(strategy):
    with pytest.raises(ValueError, match=r"trainer\.strategy=.*Type trainer\.strategy=ddp\."):
        Trainer(**TWO, strategy=strategy)


def test_synchronised_batch_norm_is_refused_on_processors_and_exact_models_are_named():
    with pytest.raises(ValueError, match=r"trainer\.sync_batchnorm=True: .*GPUs only") as told:
        Trainer(**TWO, sync_batchnorm=True)
    named = re.search(r"model=([a-z0-9_, ]+)\.$", str(told.value))[1].split(", ")
    assert set(named) == {name for name in [*TYPED, *WIDER] if " " not in name} - BATCH_NORM


@pytest.mark.parametrize(("wanted", "is_on"), [({}, True), ({"sync_batchnorm": False}, False)])
def test_batch_norm_is_synchronised_on_several_gpus_unless_told_not_to(wanted, is_on, monkeypatch):
    for name in ("is_available", "_is_cuda_available"):  # as if there were two
        monkeypatch.setattr(torch.cuda, name, lambda: True, raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for home in ("fabric.accelerators.cuda", "pytorch.accelerators.cuda"):
        monkeypatch.setattr(f"lightning.{home}.num_cuda_devices", lambda: 2)
    made = Trainer(**TWO | {"accelerator": "cuda"}, **wanted)
    assert made.strategy.root_device == torch.device("cuda", 0)
    assert isinstance(made.strategy._layer_sync, TorchSyncBatchNorm) == is_on


@pytest.mark.parametrize(
    "strategy", ["auto", "ddp", "ddp_find_unused_parameters_true", DDPStrategy()]
)
def test_the_timeout_reaches_the_devices_however_the_strategy_is_named(strategy):
    made = Trainer(**TWO, strategy=strategy, timeout=400)
    assert made.strategy._timeout == timedelta(seconds=400)


def test_a_timeout_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"trainer\.timeout=0: type a number of seconds"):
        Trainer(**TWO, timeout=0)


TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
SRUN = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_LOCALID": "0"}


@pytest.mark.promise(
    "torchrun or srun starts several processes, and trainer.devices is left at 1.",
    "They are refused, as each would train and write the same run.",
)
@pytest.mark.parametrize(
    "environment",
    [TORCHRUN | {"RANK": "0"}, TORCHRUN | {"RANK": "1"}, SRUN | {"SLURM_PROCID": "1"}],
)
def test_processes_that_would_train_the_same_run_are_refused(environment, run, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"trainer\.devices=1: 2 processes were started"):
        run("vae", images=16)


def test_a_job_of_slurm_without_srun_trains(run, monkeypatch):
    for name, value in (SRUN | {"SLURM_PROCID": "0"}).items():
        monkeypatch.setenv(name, value)
    assert run("vae", images=16).system.images_seen == 16


def test_a_checkpoint_of_doubles_is_not_rounded(run, tmp_path: Path):
    whole = everything(run("vae", images=64, precision="64-true"))
    run("vae", images=32, precision="64-true", callbacks=(Checkpoints(every=1),))
    last = tmp_path / "checkpoints" / "last.ckpt"
    resumed = everything(run("vae", images=64, precision="64-true", resume=last))
    assert torch.float64 in {tensor.dtype for tensor in whole.values()}
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


@pytest.mark.parametrize(
    ("accelerator", "gpu", "instructions", "expected"),
    [
        ("cpu", (9, 0), {"avx512_bf16"}, "bf16-mixed"),
        ("cpu", (9, 0), {"amx_tile"}, "bf16-mixed"),
        ("cpu", (9, 0), set(), "32-true"),
        ("auto", None, {"avx512_bf16"}, "bf16-mixed"),
        ("auto", (8, 0), set(), "bf16-mixed"),
        ("gpu", (7, 5), {"avx512_bf16"}, "32-true"),
        ("mps", None, set(), "32-true"),
    ],
)
def test_the_quickest_precision_is_what_the_device_computes_in(
    accelerator, gpu, instructions, expected, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: gpu)
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda n=name: n in instructions)
    assert quickest_precision(accelerator) == expected


def test_the_precision_that_auto_came_to_is_the_runs_own(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(trainer, "quickest_precision", lambda accelerator: "bf16-mixed")
    train(tmp_path / "run", "trainer.precision=auto")
    assert checkpoint.load(tmp_path / "run").config.trainer.precision == "bf16-mixed"
