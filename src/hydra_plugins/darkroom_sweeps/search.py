"""A search: Optuna proposes each job by what the former ones came to."""

import math
import os
import shlex
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import II, DictConfig, OmegaConf

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

STORAGE = "search.sqlite"


@dataclass
class SearchConfig:
    """What `hydra/sweeper=search` takes.

    Attributes:
        n_trials: How many jobs there are in all, those of a former part of the search included.
        n_jobs: How many are proposed and launched together.
        seed: Of the proposals.
    """

    _target_: str = "hydra_plugins.darkroom_sweeps.search.Search"
    n_trials: int = 20
    n_jobs: int = 1
    seed: int = II("seed")


ConfigStore.instance().store(
    group="hydra/sweeper", name="search", node=SearchConfig, provider="darkroom"
)


class Search(Sweeper):
    """Looks for the options with the best quality, by tree-structured Parzen estimators.

    `a.b=interval(1e-4,1e-3)`, `tag(log, interval(...))`, `int(interval(...))`, `range(...)` and
    `choice(...)` say where to look; what a job came to is the quality that it measured last, and
    smaller is better. A job that fails, or whose quality is no number, is noted as such, and the
    search goes on. Everything is in `search.sqlite` in the sweep's folder, so the same command
    with the same `hydra.sweep.dir` goes on where a search was killed. A proposal follows from the
    seed, its number and what is known, so a search that was stopped proposes what it would have.

    It is here because the sweeper that Hydra's authors released, hydra-optuna-sweeper 1.3, needs
    an Optuna older than 3, cannot keep a search in SQLite, and ends at the first quality that is
    no number; the next one comes with Hydra 1.4, of which there are only release candidates.

    Args:
        n_trials: How many jobs there are in all.
        n_jobs: How many are proposed and launched together; more than one for launchers that run
            jobs side by side.
        seed: Of the proposals.

    Raises:
        CompactHydraException: If an option makes no sense, or Optuna is missing.

    *Source*: Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011, section 4.
    """

    hydra_context: HydraContext
    config: DictConfig
    launcher: Launcher

    def __init__(self, n_trials: int, n_jobs: int, seed: int) -> None:
        self.n_trials = n_trials
        self.n_jobs = n_jobs
        self.seed = seed

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        for name, number in {"n_trials": self.n_trials, "n_jobs": self.n_jobs}.items():
            if number < 1:
                raise CompactHydraException(
                    f"hydra.sweeper.{name}={number}: type a number from 1 on."
                )
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        last = {each.get_key_element(): each for each in parser.parse_overrides(arguments)}
        searched = {key: each for key, each in last.items() if each.is_sweep_override()}
        if not searched:
            raise CompactHydraException(
                "There is nothing to search. Type where to look, such as "
                "'model.generator_optimizer.lr=tag(log,interval(1e-4,1e-3))'."
            )
        self.fixed = [str(last[key].input_line) for key in last if key not in searched]
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        self.study = _study(folder, sorted(str(each.input_line) for each in last.values()))
        self.keys = {key.lstrip("+"): key for key in searched}
        self.space = {name: _distribution(searched[key]) for name, key in self.keys.items()}
        self._launch(self._begun())
        while (left := self.n_trials - len(self._proposed())) > 0:
            self._launch([self._ask() for _ in range(min(left, self.n_jobs))])
        self._say_best()

    def _proposed(self) -> list["FrozenTrial"]:
        """The trials that are whole; a kill may have left one for which not all was proposed."""
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.params.keys() == self.space.keys()]

    def _begun(self) -> list["FrozenTrial"]:
        """The trials whose jobs a killed search had launched: those of its last batch, or fewer."""
        return [trial for trial in self._proposed() if trial.state.name == "RUNNING"]

    def _ask(self) -> "FrozenTrial":
        from optuna.samplers import TPESampler

        number = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = TPESampler(seed=zlib.crc32(f"{self.seed}/{number}".encode()))
        trial = self.study.ask(dict(self.space))
        return next(each for each in self._proposed() if each.number == trial.number)

    def _launch(self, trials: Sequence["FrozenTrial"]) -> None:
        from optuna.trial import TrialState

        if not trials:
            return
        batch = [self._overrides(trial.params) for trial in trials]
        self.validate_batch_is_legal(batch)
        done = self.launcher.launch(batch, initial_job_idx=trials[0].number)
        for trial, job in zip(trials, done, strict=True):
            objective = job.return_value
            if math.isfinite(objective):
                self.study.tell(trial.number, objective)
            else:
                self.study.tell(trial.number, state=TrialState.FAIL)

    def _overrides(self, proposed: Mapping[str, Any]) -> list[str]:
        return [*self.fixed, *(f"{self.keys[name]}={proposed[name]}" for name in self.space)]

    def _say_best(self) -> None:
        done = {t.number: t for t in self._proposed() if t.state.name == "COMPLETE"}
        if not done:
            print("\nNo trial came to a quality.")
            return
        best = done[self.study.best_trial.number]
        overrides = [each.lstrip("+") for each in self._overrides(best.params)]
        print(f"\nThe best of {len(done)} trials is {best.number}, with {best.value:.4g}. It was")
        print(f"  {shlex.join(['python', os.path.relpath(sys.argv[0]), *overrides])}")


def _study(folder: Path, arguments: list[str]) -> "Study":
    """The search in a folder, as far as it is.

    Raises:
        CompactHydraException: If it is another search, or Optuna is missing.
    """
    try:
        import optuna
    except ImportError:
        raise CompactHydraException(
            "hydra/sweeper=search needs Optuna. Type: pip install -e '.[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{(folder / STORAGE).absolute()}",
        study_name="search",
        load_if_exists=True,
    )
    before = study.user_attrs.get("arguments", arguments)
    if before != arguments:
        raise CompactHydraException(
            f"{folder} holds another search ({' '.join(before)}). Type that one's command to go on "
            "with it, or another hydra.sweep.dir."
        )
    study.set_user_attr("arguments", arguments)
    return study


def _distribution(override: Override) -> "BaseDistribution":
    """Where Hydra's grammar says to look, in Optuna's terms.

    Raises:
        CompactHydraException: If there is nothing there.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value = override.value()
    try:
        if isinstance(value, IntervalSweep):
            low, high, is_log = value.start, value.end, "log" in value.tags
            assert low is not None, "the grammar asks for it"
            assert high is not None, "likewise"
            if isinstance(low, int) and isinstance(high, int):
                return IntDistribution(low, high, is_log)
            return FloatDistribution(low, high, is_log)
        if isinstance(value, RangeSweep) and isinstance(numbers := value.range(), range):
            return IntDistribution(min(numbers), max(numbers), step=abs(numbers.step))
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except ValueError as error:
        raise CompactHydraException(f"{override.input_line}: {error}") from error
