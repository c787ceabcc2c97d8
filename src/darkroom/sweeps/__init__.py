"""Many runs that one command asked for: each a process of its own, and what became of them."""

from darkroom.sweeps.job import Job
from darkroom.sweeps.outcome import Outcome
from darkroom.sweeps.table import Table

__all__ = ["Job", "Outcome", "Table"]
