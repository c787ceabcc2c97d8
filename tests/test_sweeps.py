"""Sweeps: each job stands alone, a sweep that was killed goes on, a search remembers."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from darkroom.sweeps import Job, Outcome, Table
from hydra_plugins.darkroom_sweeps.search import _distribution

TRAIN = [sys.executable, str(Path(__file__).parents[1] / "train.py")]

STARTED: list[subprocess.Popen[str]] = []
DEAD = psutil.STATUS_ZOMBIE

Done = subprocess.CompletedProcess[str]

# In the place of train.py: all that a sweep sees of a run, without what takes seconds.
RUN = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

*typed, place = sys.argv[1:]
folder = Path(place.removeprefix("hydra.run.dir="))
is_resumed = typed[0] == f"resume={folder}"
with (folder.parent / "started.txt").open("a") as file:
    print(folder.name, *typed, file=file)
if not is_resumed:
    (folder / "run.json").write_text(json.dumps([{"overrides": typed}]))
(beginning,) = json.loads((folder / "run.json").read_text())
told = dict(each.split("=", 1) for each in beginning["overrides"])

def save(*_):
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").touch()
    sys.exit(143)

def start_another():
    other = subprocess.Popen(["sleep", "1000"])
    with (folder.parent / "processes.txt").open("a") as file:
        print(os.getpid(), other.pid, file=file)

what = told.get("does", "ends")
if what == "raises":
    raise RuntimeError("a bug")
if what == "refuses":
    print("train: no such option\\n(HYDRA_FULL_ERROR=1 shows where it was found)", file=sys.stderr)
    sys.exit(2)
if what == "dies":
    start_another()
    os.kill(os.getpid(), signal.SIGKILL)
if what == "waits" and not is_resumed:
    signal.signal(signal.SIGTERM, save)
    start_another()
    time.sleep(1000)
if what == "hangs":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    start_another()
    time.sleep(1000)
if what == "dawdles":
    time.sleep(1)
value = "nan" if what == "breaks" else told.get("model.half_life", "0.5")
rows = f"images_seen,name,value\\n32,quality/kid_thumbnail,9\\n64,quality/kid_thumbnail,{value}\\n"
(folder / "metrics.csv").write_text(rows)
"""

SWEEP = """
import sys
from pathlib import Path
from darkroom import cli
cli.SCRIPT = Path(sys.argv.pop(1))
try:
    cli.train()
finally:
    print("heavy:", *sys.modules.keys() & {"torch", "lightning", "optuna"})
"""


def command(cwd: Path, *arguments: str) -> list[str]:
    """A sweep of runs that take no time."""
    (cwd / "run.py").write_text(RUN)
    return [sys.executable, "-c", SWEEP, "run.py", "-m", "hydra.sweep.dir=sweep", *arguments]


def begun(arguments: list[str], cwd: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("HYDRA_FULL_ERROR", None)
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        arguments, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True
    )
    STARTED.append(process)
    return process


@pytest.fixture(autouse=True)
def _nothing_outlives_a_test() -> Iterator[None]:
    yield
    while STARTED:
        STARTED.pop().kill()


def ended(process: subprocess.Popen[str]) -> Done:
    said = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


def swept(cwd: Path, *arguments: str) -> Done:
    return ended(begun(command(cwd, *arguments), cwd))


def trained(cwd: Path, *arguments: str) -> Done:
    """The real thing."""
    return ended(begun([*TRAIN, *arguments], cwd))


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def starts(sweep: Path) -> list[str]:
    return (sweep / "started.txt").read_text().splitlines()


def wait_for(is_so: Callable[[], bool], *alive: subprocess.Popen[str]) -> None:
    """Waits until something is so, and fails as soon as those that it takes are not there."""
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until, "it did not come to that"
        assert all(process.poll() is None for process in alive), alive[0].communicate()
        time.sleep(0.02)


def still_there(sweep: Path) -> list[int]:
    """The processes that jobs began and that live; a dead one may wait for its parent."""
    numbers = map(int, (sweep / "processes.txt").read_text().split())
    alive = {p.pid for p in psutil.process_iter(["status"]) if p.info["status"] != DEAD}
    return [number for number in numbers if number in alive]


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes of a real job; the first of its devices comes first."""
    found = []
    for process in psutil.process_iter():
        try:
            line, place = " ".join(process.cmdline()), process.cwd()
        except psutil.Error:
            continue
        if place == str(folder.parents[1]) and f"{folder.parent.name}/{folder.name}" in line:
            found.append(process)
    return sorted(found, key=lambda process: process.create_time())


# --- a job stands alone


@pytest.mark.promise(
    "A job of a sweep raises, is killed, refuses its options, or ends with a quality of NaN",
    "The other jobs are done, a table says what became of each, and the exit status is 1",
)
def test_jobs_that_fail_fail_alone(tmp_path: Path) -> None:
    done = swept(tmp_path, "does=raises,dies,refuses,breaks,ends")
    assert done.returncode == 1
    written = rows(tmp_path / "sweep")
    assert [(row["exit_code"], row["objective"], row["error"]) for row in written] == [
        ("1", "", "RuntimeError: a bug"),
        ("-9", "", "killed by SIGKILL"),
        ("2", "", "no such option"),
        ("0", "", "quality/kid_thumbnail is nan"),
        ("0", "0.5", ""),
    ]
    assert "0-gan-digits  raises   failed, exit code 1: RuntimeError: a bug" in done.stdout
    assert "4-gan-digits  ends     quality/kid_thumbnail 0.5" in done.stdout
    assert "python compare.py sweep=sweep" in done.stdout
    assert "4 of 5 jobs failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in (tmp_path / "sweep" / "0-gan-digits" / "job.log").read_text()


@pytest.mark.promise(
    "A job of a sweep hangs, and does not heed SIGTERM",
    "After hydra.callbacks.sweep.minutes, and a minute of grace, all its processes are ended",
)
def test_a_job_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.sweeps.job.GRACE", 0.2)
    monkeypatch.chdir(tmp_path)
    Path("run.py").write_text(RUN)
    folder = Path("sweep/0")
    folder.mkdir(parents=True)
    outcome = Job(Path("run.py"), folder, ["does=hangs"], folder, minutes=0.02).run()
    assert outcome.error == "it was not done after 0.02 minutes"
    assert still_there(Path("sweep")) == []
    with pytest.raises(ValueError, match=re.escape("minutes=0: type a number above 0")):
        Job(Path("run.py"), folder, [], folder, minutes=0)


@pytest.mark.promise(
    "The first process of a job dies and leaves another one behind",
    "That one is ended too",
)
def test_nothing_of_a_job_stays_behind(tmp_path: Path) -> None:
    assert swept(tmp_path, "does=dies,ends").returncode == 1
    assert len((tmp_path / "sweep" / "processes.txt").read_text().split()) == 2
    assert still_there(tmp_path / "sweep") == []


def test_a_sweep_itself_stays_light(tmp_path: Path) -> None:
    done = swept(tmp_path, "seed=1,2")
    assert done.returncode == 0, done.stderr
    assert "heavy:\n" in done.stdout


def test_a_table_has_a_column_for_what_differs(tmp_path: Path) -> None:
    told = [["model=gan", "seed=1", "experiment=smoke"], ["model=vae", "experiment=smoke"]]
    for number, overrides in zip((10, 9), told, strict=True):
        Outcome(overrides, 0, "quality/kid_thumbnail", 0.25).write(tmp_path / f"{number}-any")
    assert Table.of(tmp_path).text().splitlines() == [
        "job     model  seed  outcome",
        "9-any   vae          quality/kid_thumbnail 0.25",
        "10-any  gan    1     quality/kid_thumbnail 0.25",
    ]


def test_without_a_quality_a_job_is_done_and_has_no_objective(tmp_path: Path) -> None:
    outcome = Outcome.success(["seed=1"], tmp_path)
    assert (outcome.is_failure, outcome.objective) == (False, None)


# --- a sweep that was stopped goes on


@pytest.mark.promise(
    "A sweep is stopped by Ctrl-C or SIGTERM",
    "Its job is asked to save, nothing stays behind, and the command that goes on is shown",
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sweep_that_is_stopped_lets_its_job_save_and_goes_on(
    number: int, code: int, tmp_path: Path
) -> None:
    told = ("does=ends,waits", "seed=1,2")
    sweep = begun(command(tmp_path, *told), tmp_path)
    wait_for((tmp_path / "sweep" / "processes.txt").exists, sweep)
    sweep.send_signal(number)
    done = ended(sweep)
    assert done.returncode == code
    again = "-m does=ends,waits seed=1,2 hydra.sweep.dir=sweep"
    assert again in done.stderr
    assert "Traceback" not in done.stderr
    assert still_there(tmp_path / "sweep") == []
    assert (tmp_path / "sweep" / "2-gan-digits" / "checkpoints" / "last.ckpt").exists()

    sweep = begun(command(tmp_path, *told), tmp_path)
    wait_for(
        lambda: len((tmp_path / "sweep" / "processes.txt").read_text().splitlines()) == 2, sweep
    )
    sweep.send_signal(number)
    ended(sweep)
    assert swept(tmp_path, *told).returncode == 0
    assert starts(tmp_path / "sweep") == [
        "0-gan-digits does=ends seed=1",
        "1-gan-digits does=ends seed=2",
        "2-gan-digits does=waits seed=1",
        "2-gan-digits resume=sweep/2-gan-digits",
        "3-gan-digits does=waits seed=2",
        "3-gan-digits resume=sweep/3-gan-digits",
    ]


@pytest.mark.promise(
    "A sweep is killed by SIGKILL",
    "Its job ends too and saves itself; the same command with the same folder goes on",
)
def test_a_sweep_that_was_killed_goes_on(tmp_path: Path) -> None:
    sweep = begun(command(tmp_path, "does=waits", "seed=1,2"), tmp_path)
    wait_for((tmp_path / "sweep" / "processes.txt").exists, sweep)
    sweep.kill()
    sweep.communicate()
    job = tmp_path / "sweep" / "0-gan-digits"
    wait_for((job / "checkpoints" / "last.ckpt").exists)
    assert Outcome.read(job) is None
    done = swept(tmp_path, "does=waits,ends", "seed=1")
    assert done.returncode == 0, done.stderr
    assert starts(tmp_path / "sweep") == [
        "0-gan-digits does=waits seed=1",
        "0-gan-digits resume=sweep/0-gan-digits",
        "1-gan-digits does=ends seed=1",
    ]


def test_a_job_that_was_killed_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    assert swept(tmp_path, "does=dies").returncode == 1
    stale = tmp_path / "sweep" / "0-gan-digits" / "samples" / "0.png"
    stale.parent.mkdir()
    stale.touch()
    assert swept(tmp_path, "does=dies").returncode == 1
    assert starts(tmp_path / "sweep") == ["0-gan-digits does=dies"] * 2
    assert not stale.parent.exists()
    log = (tmp_path / "sweep" / "0-gan-digits" / "job.log").read_text()
    assert log.count("run.py does=dies") == 2


def test_a_longer_sweep_leaves_alone_what_is_done(tmp_path: Path) -> None:
    swept(tmp_path, "seed=1,2")
    assert swept(tmp_path, "seed=1,2,3").returncode == 0
    assert starts(tmp_path / "sweep") == [f"{k}-gan-digits seed={k + 1}" for k in range(3)]
    assert [row["seed"] for row in rows(tmp_path / "sweep")] == ["1", "2", "3"]


@pytest.mark.promise(
    "A sweep is typed with the folder of another sweep",
    "It is refused before anything starts, and the folder stays as it is",
)
def test_two_sweeps_are_never_mixed(tmp_path: Path) -> None:
    swept(tmp_path, "seed=1,2")
    before = (tmp_path / "sweep" / "sweep.csv").read_text()
    done = swept(tmp_path, "seed=3,4")
    assert done.returncode == 2
    assert "sweep/0-gan-digits holds a job of another sweep (seed=1), and not seed=3" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(starts(tmp_path / "sweep")) == 2
    assert (tmp_path / "sweep" / "sweep.csv").read_text() == before


def test_a_sweep_of_resumed_runs_reads_their_quality(tmp_path: Path) -> None:
    metrics = "images_seen,name,value\n64,quality/kid_thumbnail,0.125\n"
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "metrics.csv").write_text(metrics)
        (tmp_path / run / "run.json").write_text('[{"overrides": []}]')
    done = swept(tmp_path, "resume=one,two", "trainer.max_images=128")
    assert done.returncode == 0, done.stderr
    assert [row["objective"] for row in rows(tmp_path / "sweep")] == ["0.125", "0.125"]


# --- a search

SEARCH = ("hydra/sweeper=search", "hydra.sweeper.n_trials=6", "model.half_life=interval(1,9)")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short search."""
    cwd = tmp_path_factory.mktemp("searched")
    assert swept(cwd, *SEARCH, "hydra.sweeper.n_trials=1").returncode == 0
    return cwd


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a=interval(1e-4,1e-3)", FloatDistribution(1e-4, 1e-3)),
        ("a=tag(log,interval(1e-4,1e-3))", FloatDistribution(1e-4, 1e-3, log=True)),
        ("a=int(interval(4,64))", IntDistribution(4, 64)),
        ("a=tag(log,int(interval(4,64)))", IntDistribution(4, 64, log=True)),
        ("a=range(2,9,2)", IntDistribution(2, 8, step=2)),
        ("a=range(0.5,2,0.5)", CategoricalDistribution(["0.5", "1.0", "1.5"])),
        ("a=gan,vae", CategoricalDistribution(["gan", "vae"])),
        ("++a=choice(1,'b c')", CategoricalDistribution(["1", r"b\ c"])),
    ],
)
def test_hydras_grammar_says_where_to_look(typed: str, expected: BaseDistribution) -> None:
    (override,) = OverridesParser.create().parse_overrides([typed])
    assert _distribution(override) == expected


@pytest.mark.slow
def test_a_search_finds_what_is_better_and_says_what_to_type(tmp_path: Path) -> None:
    done = swept(tmp_path, *SEARCH, "hydra.sweeper.n_trials=25")
    assert done.returncode == 0, done.stderr
    found = [float(row["objective"]) for row in rows(tmp_path / "sweep")]
    assert len(set(found)) == 25
    assert sum(found[10:]) / 15 < sum(found[:10]) / 10  # the first ten are drawn evenly
    best = found.index(min(found))
    assert f"The best of 25 trials is {best}, with {min(found):.4g}. It was" in done.stdout
    (line,) = re.findall(r"^  python (.*)$", done.stdout, re.MULTILINE)
    assert shlex.split(line)[1:] == [f"model.half_life={min(found)}"]


@pytest.mark.slow
@pytest.mark.promise(
    "Trials of a search raise, are killed, or end with a quality of NaN",
    "They are noted as failed, and the search goes on to its last trial",
)
def test_a_search_goes_on_past_failures(tmp_path: Path) -> None:
    done = swept(tmp_path, *SEARCH, "does=raises,dies,breaks,ends")
    assert done.returncode == 1
    outcomes = {row["does"]: row["objective"] for row in rows(tmp_path / "sweep")}
    assert len(rows(tmp_path / "sweep")) == 6
    assert {does for does, objective in outcomes.items() if objective} <= {"ends"}
    assert len(outcomes) > 1
    done = swept(tmp_path, *SEARCH, "does=breaks", "hydra.sweep.dir=hopeless")
    assert "No trial came to a quality" in done.stdout


def test_trials_may_be_launched_together(tmp_path: Path) -> None:
    done = swept(tmp_path, *SEARCH, "hydra.sweeper.n_jobs=4", "hydra.sweeper.n_trials=5")
    assert done.returncode == 0, done.stderr
    assert len({row["model.half_life"] for row in rows(tmp_path / "sweep")}) == 5
    assert [f"Launching {n} jobs" in done.stdout for n in (4, 1)] == [True, True]


@pytest.mark.slow
@pytest.mark.promise(
    "A search is killed by SIGKILL",
    "The same command finishes the trial that was begun, and proposes what it would have proposed",
)
def test_a_search_that_was_killed_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir()
    part.mkdir()
    assert swept(whole, *SEARCH).returncode == 0
    sweep = begun(command(part, *SEARCH, "does=dawdles"), part)
    wait_for(lambda: (part / "sweep" / "2-gan-digits" / "run.json").exists(), sweep)
    sweep.kill()
    sweep.communicate()
    assert swept(part, *SEARCH, "does=dawdles").returncode == 0
    one, other = (
        [(row["job"], row["model.half_life"], row["objective"]) for row in rows(cwd / "sweep")]
        for cwd in (whole, part)
    )
    assert one == other
    assert [line.split()[0] for line in starts(part / "sweep")].count("2-gan-digits") == 2


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: type a number from 1 on"),
        (["model.half_life=interval(9,1)"], "model.half_life=interval(9,1): "),
        (["model.half_life=9"], "There is nothing to search. Type where to look"),
        (["seed=1"], "sweep holds another search"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    typed: list[str], said: str, searched: Path, tmp_path: Path
) -> None:
    cwd = searched if typed == ["seed=1"] else tmp_path
    done = swept(cwd, *SEARCH, *typed)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_optuna_a_search_says_what_to_install(tmp_path: Path) -> None:
    missing = SWEEP.replace("import sys", "import sys; sys.modules['optuna'] = None", 1)
    done = ended(
        begun([missing if a == SWEEP else a for a in command(tmp_path, *SEARCH)], tmp_path)
    )
    assert "needs Optuna. Type: pip install -e '.[search]'" in done.stderr
    assert "Traceback" not in done.stderr


# --- the real thing

SMOKE = ("experiment=smoke", "trainer.max_images=32", "hydra.sweep.dir=sweep")
NEVER = 10**9  # images, so that a run ends only if it is ended


@pytest.mark.slow
@pytest.mark.promise(
    "A job of a sweep is killed by SIGKILL while it trains",
    "The next one is done; the same command resumes what was killed",
)
def test_a_real_job_that_is_killed_is_resumed(tmp_path: Path) -> None:
    told = [*TRAIN, "-m", *SMOKE, f"trainer.max_images={NEVER},32"]
    sweep = begun(told, tmp_path)
    killed = tmp_path / "sweep" / "0-gan-digits"
    wait_for((killed / "checkpoints" / "last.ckpt").exists, sweep)
    processes_of(killed)[0].kill()
    done = ended(sweep)
    assert done.returncode == 1
    dead, well = rows(tmp_path / "sweep")
    assert (dead["error"], well["error"]) == ("killed by SIGKILL", "")
    assert float(well["objective"]) > 0

    sweep = begun(told, tmp_path)
    wait_for(lambda: len(json.loads((killed / "run.json").read_text())) == 2, sweep)
    sweep.send_signal(signal.SIGINT)
    assert ended(sweep).returncode == 130
    last = json.loads((killed / "run.json").read_text())[1]
    assert last["overrides"] == ["resume=sweep/0-gan-digits"]
    assert processes_of(killed) == []


@pytest.mark.slow
@pytest.mark.promise(
    "A job of a sweep over two devices loses one of its processes",
    "That job fails and leaves no process behind; the next job is done",
)
def test_a_lost_device_fails_one_job(tmp_path: Path) -> None:
    devices = ("trainer.devices=2", "trainer.accelerator=cpu")
    told = (*SMOKE, f"trainer.max_images={NEVER},32", *devices)
    sweep = begun([*TRAIN, "-m", *told], tmp_path)
    first = tmp_path / "sweep" / "0-gan-digits"
    wait_for((first / "checkpoints" / "last.ckpt").exists, sweep)
    processes_of(first)[1].kill()
    done = ended(sweep)
    assert done.returncode == 1
    lost, well = rows(tmp_path / "sweep")
    assert lost["error"]
    assert (float(well["objective"]) > 0, well["error"]) == (True, "")
    assert processes_of(first) == []


@pytest.mark.slow
@pytest.mark.promise(
    "Of two jobs side by side one becomes non-finite",
    "The other is done",
)
def test_jobs_may_run_side_by_side(tmp_path: Path) -> None:
    side_by_side = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = trained(tmp_path, "-m", *side_by_side, *SMOKE, "model.generator_optimizer.lr=1e-3,1e30")
    assert done.returncode == 1
    well, broken = rows(tmp_path / "sweep")
    assert (float(well["objective"]) > 0, well["error"]) == (True, "")
    assert "is not finite" in broken["error"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["submitit_local", "ray"])
def test_a_cluster_runs_the_jobs(launcher: str, tmp_path: Path) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.removesuffix('_local')}_launcher")
    done = trained(tmp_path, "-m", f"hydra/launcher={launcher}", "seed=3", *SMOKE)
    assert done.returncode == 0, done.stderr
    (row,) = rows(tmp_path / "sweep")
    assert float(row["objective"]) > 0


@pytest.mark.slow
@pytest.mark.promise(
    "Three runs are started in the same instant, and two in one folder",
    "The three have a folder each; of the two one is refused",
)
def test_runs_of_the_same_instant_are_never_mixed(tmp_path: Path) -> None:
    train = [*TRAIN, "experiment=smoke"]
    shared = [*train, "hydra.run.dir=shared", f"trainer.max_images={NEVER}"]
    own = [begun([*train, "trainer.max_images=8", f"seed={k}"], tmp_path) for k in range(3)]
    for run in own:
        done = ended(run)
        assert done.returncode == 0, done.stderr
    runs = list(tmp_path.glob("outputs/*/*/run.json"))
    assert sorted(json.loads(run.read_text())[0]["seed"] for run in runs) == [0, 1, 2]
    both = [begun(shared, tmp_path) for _ in range(2)]
    wait_for(lambda: any(run.poll() is not None for run in both))
    (loser,) = [run for run in both if run.poll() is not None]
    (winner,) = [run for run in both if run is not loser]
    refused = ended(loser)
    assert refused.returncode == 2
    assert re.search("is being trained by another process|holds a run already", refused.stderr)
    wait_for((tmp_path / "shared" / "run.json").exists, winner)
    winner.terminate()
    assert ended(winner).returncode == 143
    assert len(json.loads((tmp_path / "shared" / "run.json").read_text())) == 1
