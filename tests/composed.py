"""The real conf/, composed in this process as the command line would."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from darkroom import cli


def composed(verb: str, *arguments: str, conf: Path = cli.CONF) -> DictConfig:
    """What `python <verb>.py <arguments>` composes."""
    with initialize_config_dir(str(conf), version_base="1.3"):
        return compose(verb, overrides=[cli._open_ended(argument) for argument in arguments])
