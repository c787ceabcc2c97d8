"""An interrupted run goes on as the uninterrupted one: weights, moments, logs, pictures."""

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from darkroom import checkpoint
from darkroom.callbacks import Interruptions
from darkroom.callbacks.interruptions import Interrupted
from darkroom.callbacks.pictures import Pictures
from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer
from tests.commands import call, command, environment, resume, train

STEPS, BATCH_SIZE = 20, 8  # more than the 14 steps of a pass over the data
MODELS = {
    "gan": ["model=gan"],
    "vae": ["model=vae"],
    "second stage": ["model=sigma_vae", "model.network.width=4"],
    "codes": ["model=vq_vae", "model.network.width=4", "model.prior.width=16"],
}
NARROW = ["model.generator.width=2", "model.discriminator.width=2"]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """All that the last checkpoint holds: weights, averages, moments, states of callbacks."""
    content = checkpoint.read(run / "checkpoints" / "last.ckpt")
    kept = {part: content[part] for part in ("state_dict", "optimizer_states", "images_seen")}
    flat, _ = torch.utils._pytree.tree_flatten_with_path(kept)
    return {str(path): torch.as_tensor(leaf) for path, leaf in flat if leaf is not None}


def rows(run: Path) -> list[list[str]]:
    """What was logged, in its order, without how long it took."""
    with (run / "metrics.csv").open(newline="") as file:
        return [row for row in csv.reader(file) if not row[1].startswith("throughput/")]


def points(run: Path) -> dict[str, list[tuple[int, float]]]:
    """The same in TensorBoard."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    names = [n for n in events.Tags()["scalars"] if not n.startswith(("throughput/", "hparams"))]
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in names}


def pictures(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "samples").iterdir())}


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a signal come in the middle of a step."""

    def plan(step: int, number: signal.Signals) -> None:
        before = Interruptions.on_before_optimizer_step

        def spy(self, trainer, system, optimizer):
            if trainer.fit_loop.epoch_loop.total_batch_idx == step - 1 and not self.number:
                os.kill(os.getpid(), number)
            before(self, trainer, system, optimizer)

        monkeypatch.setattr(Interruptions, "on_before_optimizer_step", spy)

    return plan


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.promise(
    "Ctrl-C, SIGTERM or SIGUSR1 in the middle of a step, at any step",
    "The run ends after it with status 128 + signal; resumed, it ends bit-equal to an "
    "uninterrupted one, its logs and pictures too.",
)
def test_a_signal_at_any_step_costs_nothing(model, signalled, tmp_path, monkeypatch):
    images = STEPS * BATCH_SIZE
    options = [*MODELS[model], f"trainer.max_images={images}"]
    options += NARROW if model == "gan" else []
    train(tmp_path / "whole", *options)
    stops = [1, 4, 13, 14, 15] if model in ("gan", "vae") else [4, 15]
    for step, number in zip(
        stops, 2 * [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1], strict=False
    ):
        run = tmp_path / f"{step}"
        signalled(step, number)
        with pytest.raises(SystemExit) as left:
            train(run, *options)
        assert left.value.code == 128 + number
        monkeypatch.undo()
        assert (
            checkpoint.read(run / "checkpoints" / "last.ckpt")["images_seen"] == step * BATCH_SIZE
        )
        torch.manual_seed(step)  # the state of the global generator must not matter
        resume(run)
        expected, got = tensors(tmp_path / "whole"), tensors(run)
        assert got.keys() == expected.keys()
        assert [name for name in expected if not torch.equal(got[name], expected[name])] == []
        assert rows(run) == rows(tmp_path / "whole")
        assert points(run) == points(tmp_path / "whole")
        assert pictures(run) == pictures(tmp_path / "whole")
        hows = [entry["how"] for entry in json.loads((run / "run.json").read_text())]
        assert hows == [f"interrupted by {number.name}", "finished"]


@pytest.mark.parametrize(
    ("owner", "name"), [(torch, "save"), (System, "on_validation_end"), (Pictures, "act")]
)
@pytest.mark.promise(
    "SIGTERM while a checkpoint is written, while it validates, while pictures are drawn",
    "That is done to its end; resumed, the run ends bit-equal to an uninterrupted one.",
)
def test_a_signal_that_comes_between_steps_costs_nothing(owner, name, tmp_path, monkeypatch):
    options = ["model=vae", f"trainer.max_images={STEPS * BATCH_SIZE}"]
    train(tmp_path / "whole", *options)
    undisturbed, calls = getattr(owner, name), []

    def disturbed(*arguments, **named):
        calls.append(arguments)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return undisturbed(*arguments, **named)

    monkeypatch.setattr(owner, name, disturbed)
    with pytest.raises(SystemExit) as left:
        train(tmp_path / "run", *options)
    assert left.value.code == 128 + signal.SIGTERM
    monkeypatch.undo()
    resume(tmp_path / "run")
    expected, got = tensors(tmp_path / "whole"), tensors(tmp_path / "run")
    assert [name for name in expected if not torch.equal(got[name], expected[name])] == []
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")
    assert pictures(tmp_path / "run") == pictures(tmp_path / "whole")


@pytest.mark.promise("A second signal while a step takes long", "The process ends at once.")
def test_a_second_signal_ends_the_process_at_once():
    child = os.fork()
    if not child:
        guard = Interruptions()
        signal.signal(signal.SIGTERM, guard._note)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.promise(
    "SLURM's warning before the time limit (SIGUSR1)",
    "The run is saved, then the job is put back into the queue.",
)
def test_a_clusters_warning_puts_the_job_back_into_the_queue(
    array, signalled, tmp_path, monkeypatch
):
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    saved = tmp_path / "run" / "checkpoints" / "last.ckpt"
    scontrol.write_text(f'#!/bin/sh\necho "$@" $(test -f {saved} && echo saved) > {tmp_path}/said')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(scontrol.parent), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    if array:
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "10")
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    signalled(2, signal.SIGUSR1)
    with pytest.raises(SystemExit):
        train(tmp_path / "run", *NARROW)
    job = "10_3" if array else "12"
    assert (tmp_path / "said").read_text() == f"requeue {job} saved\n"


def test_a_job_that_cannot_be_put_back_is_saved_all_the_same(
    signalled, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("PATH", "")  # where no scontrol is
    signalled(2, signal.SIGUSR1)
    with pytest.raises(SystemExit) as left:
        train(tmp_path / "run", *NARROW)
    assert left.value.code == 128 + signal.SIGUSR1
    assert "scontrol requeue 12: failed" in capsys.readouterr().err


def test_ctrl_c_does_not_put_a_job_back_into_the_queue(signalled, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("PATH", "")  # where no scontrol is
    signalled(2, signal.SIGINT)
    with pytest.raises(SystemExit) as left:
        train(tmp_path / "run", *NARROW)
    assert left.value.code == 130


def test_a_signal_that_comes_while_the_devices_talk_of_it_is_not_lost():
    told = Interruptions()

    def reduced(number: torch.Tensor, reduce_op: str) -> torch.Tensor:
        told._note(signal.SIGTERM, None)
        return number  # what had been noted when the talk began

    device = torch.device("cpu")
    system, batch = Mock(spec=System, device=device), Mock(spec=Batch)
    strategy = Mock(root_device=device, reduce=reduced)
    trainer = Mock(spec=Trainer, world_size=2, strategy=strategy, log_every_n_steps=1)
    told.on_train_batch_start(trainer, system, batch, 0)
    strategy.reduce = lambda number, reduce_op: number
    with pytest.raises(Interrupted, match="SIGTERM"):
        told.on_train_batch_start(trainer, system, batch, 1)


def test_ctrl_c_before_the_first_step_says_the_same(tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Interruptions, "on_train_start", stop)
    with pytest.raises(SystemExit) as left:
        train(tmp_path / "run", *NARROW)
    assert left.value.code == 130
    assert "interrupted by SIGINT after 0 images" in capsys.readouterr().err


# --- real processes


def started(cwd: Path, *arguments: str) -> subprocess.Popen:
    """A training in a process group of its own, which sees more images than it ever will."""
    return subprocess.Popen(
        command("train", "experiment=smoke", "trainer.max_images=1000000", *NARROW, *arguments),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(found: Callable[[], bool], run: subprocess.Popen) -> None:
    while not found():
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)


def alive(group: int) -> list[str]:
    """The processes of a group that still run."""
    listed = subprocess.run(
        ["ps", "-o", "stat=,args=", "-g", str(group)], capture_output=True, text=True
    ).stdout
    return [line for line in listed.splitlines() if line and not line.startswith("Z")]


@pytest.mark.slow
@pytest.mark.promise(
    "SIGKILL between two checkpoints",
    "Resumed from the last one, the run ends bit-equal to an uninterrupted one, logs included.",
)
def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path):
    budget = "trainer.max_images=16000"  # so few that each step is logged, as in the whole run
    run = started(tmp_path, "hydra.run.dir=run", "trainer.log_every_n_steps=1", budget)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    wait_for(lambda: last.exists() and len((tmp_path / "run/metrics.csv").read_text()) > 9000, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    clock = checkpoint.read(last)["images_seen"]
    logged = [int(row[0]) for row in rows(tmp_path / "run")[1:] if row[0].isdigit()]
    assert clock < max(logged), "it was killed after a checkpoint, and more had been logged"
    images = clock + 5 * BATCH_SIZE
    resume(tmp_path / "run", f"trainer.max_images={images}")
    train(
        tmp_path / "whole", *NARROW, "trainer.log_every_n_steps=1", f"trainer.max_images={images}"
    )
    expected, got = tensors(tmp_path / "whole"), tensors(tmp_path / "run")
    assert [name for name in expected if not torch.equal(got[name], expected[name])] == []
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")
    assert points(tmp_path / "run") == points(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["all", "the first", "the second"])
@pytest.mark.promise(
    "SIGTERM to both processes of a run, or to one of them",
    "Both end after the same step, the run is saved, status 143, no process stays.",
)
def test_two_devices_end_at_the_same_step(whom, tmp_path):
    run = started(tmp_path, "hydra.run.dir=run", "trainer.devices=2", "trainer.accelerator=cpu")
    wait_for(lambda: (tmp_path / "run" / "checkpoints" / "last.ckpt").exists(), run)
    if whom == "all":
        os.killpg(run.pid, signal.SIGTERM)
    else:
        children = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True)
        second = int(children.stdout.split()[0])
        os.kill(run.pid if whom == "the first" else second, signal.SIGTERM)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 143, said
    assert "Type python train.py resume=run to go on." in said
    assert alive(run.pid) == []
    before = checkpoint.read(tmp_path / "run" / "checkpoints" / "last.ckpt")["images_seen"]
    entry = json.loads((tmp_path / "run" / "run.json").read_text())[-1]
    assert (entry["how"], entry["images_seen"]) == ("interrupted by SIGTERM", before)
    done = call(tmp_path, "train", "resume=run", f"trainer.max_images={before + 16}")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.promise(
    "The same command again, with resume=auto, after an interruption",
    "The newest unfinished run of the same config goes on; without one a new run begins.",
)
def test_the_same_command_again_goes_on(tmp_path):
    run = started(tmp_path, "resume=auto", "seed=3")
    wait_for(lambda: bool(list(tmp_path.glob("outputs/*/*/checkpoints/last.ckpt"))), run)
    os.killpg(run.pid, signal.SIGTERM)
    assert run.wait(60) == 143
    (folder,) = tmp_path.glob("outputs/*/*")
    before = checkpoint.read(folder / "checkpoints" / "last.ckpt")["images_seen"]
    run = started(tmp_path, "resume=auto", "seed=3")
    last = folder / "checkpoints" / "last.ckpt"
    wait_for(lambda: checkpoint.read(last)["images_seen"] > before, run)
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert f"goes on with {folder.relative_to(tmp_path)}" in said
    assert len(json.loads((folder / "run.json").read_text())) == 2
    other = ["experiment=smoke", *NARROW, "resume=auto", "seed=4", "trainer.max_images=16"]
    done = call(tmp_path, "train", *other)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("outputs/*/*/run.json"))) == 2
