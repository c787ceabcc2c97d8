"""export.py for several runs in one process, outside of pytest.

torch.export reads the code of networks, and cannot read the checks of shapes that pytest puts in.

    python -m tests.exporting.elsewhere onnx,to.most_positions=4@<run> program@<run> ...
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from darkroom import config
from darkroom.exporting import onnx
from darkroom.exporting.graphs import Graph
from darkroom.verbs.export import export
from tests.commands import ROOT, Done, environment
from tests.composed import composed
from tests.exporting.exported import run_of

WRONG = "wrong:"  # before a job whose ONNX file gets other weights


def exported(*jobs: str) -> Done:
    """Does all these jobs."""
    return subprocess.run(
        [sys.executable, "-m", "tests.exporting.elsewhere", *jobs],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )


def runs_exported(folder: Path, to: str, models: Mapping[str, Sequence[str]]) -> Path:
    """The folder of runs of narrow models, each exported."""
    made = [run_of(folder / name, *arguments) for name, arguments in models.items()]
    done = exported(*(f"{to}@{run}" for run in made))
    assert done.returncode == 0, done.stderr
    return folder


def _spoilt(graph: Graph, metadata: dict[str, str]) -> bytes:
    weight = next(graph.network.parameters())
    weight.data.add_(0.1)
    try:
        return _converted(graph, metadata)
    finally:
        weight.data.sub_(0.1)


_converted = onnx._converted

if __name__ == "__main__":
    for job in sys.argv[1:]:
        if job.startswith(WRONG):
            onnx._converted = _spoilt
        how, _, run = job.removeprefix(WRONG).partition("@")
        to, *overrides = how.split(",")
        tree = composed("export", f"run={Path(run)}", f"to={to}", *overrides)
        config.check(tree)
        export(tree, to)
