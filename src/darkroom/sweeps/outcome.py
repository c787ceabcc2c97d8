"""What became of a sweep's job."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from darkroom import curves, files

RECORD = "job.json"


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        overrides: What distinguishes it, as one would type it.
        exit_code: Of its process; negative for the signal that killed it.
        metric: Name of the quality that it measured; None if it measured none.
        objective: That quality at its end, smaller is better; None if it has none.
        error: Why it failed; None if it did not.
    """

    overrides: list[str]
    exit_code: int
    metric: str | None = None
    objective: float | None = None
    error: str | None = None

    @classmethod
    def success(cls, overrides: list[str], run_dir: Path) -> "Outcome":
        """Of a process that ended well. A quality that is no number makes it a failure still."""
        logged = curves.read(run_dir / "metrics.csv")
        metric = next((name for name in logged if name.startswith("quality/")), None)
        if metric is None:
            return cls(overrides, 0)
        value = float(logged[metric].values[-1])
        if not math.isfinite(value):
            return cls(overrides, 0, metric, error=f"{metric} is {value}")
        return cls(overrides, 0, metric, value)

    @classmethod
    def read(cls, folder: Path) -> "Outcome | None":
        """What is known of the job of a folder; None if it has not come to an end."""
        path = folder / RECORD
        return cls(**json.loads(path.read_text())) if path.exists() else None

    def write(self, folder: Path) -> None:
        with files.whole(folder / RECORD) as file:
            file.write((json.dumps(asdict(self), indent=2) + "\n").encode())

    @property
    def is_failure(self) -> bool:
        return self.error is not None

    def __str__(self) -> str:
        if self.is_failure:
            return f"failed, exit code {self.exit_code}: {self.error}"
        if self.objective is None:
            return "done; no quality was measured"
        return f"{self.metric} {self.objective:.4g}"
