"""What the commands do, once their config is known to be good; one module a verb."""

import logging
import re
import warnings

import lightning.pytorch  # noqa: F401  # it sets the level of its logger, so it goes first

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
for known in (
    "You passed in a `val_dataloader` but have no",  # a GAN has no validation loss
    "in eval mode at the start of training",  # the averaged weights, and rightly so
    "does not have many workers",
    "`isinstance(treespec, LeafSpec)` is deprecated",
    "smaller than the logging interval",
    "your dataloader is not resumable",  # it is: its state is the clock
):
    warnings.filterwarnings("ignore", message=f".*{re.escape(known)}")
