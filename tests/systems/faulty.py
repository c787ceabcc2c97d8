"""train.py with a fault: on one rank, something happens after some images.

Called by test_ranks_fail.py: FAULT=kill:1:40 python faulty.py experiment=smoke ... Lightning starts
it again for each further rank.
"""

import os
import signal

from darkroom import cli


def raise_an_error() -> None:
    raise RuntimeError("the fault of this test")


HAPPENS = {
    "raise": raise_an_error,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


def inject(fault: str, rank: str, images: str) -> None:
    from darkroom.systems import System

    before = System.on_train_batch_start

    def faulty(self, batch, batch_idx):
        if self.global_rank == int(rank) and self.images_seen >= int(images):
            HAPPENS[fault]()
        before(self, batch, batch_idx)

    System.on_train_batch_start = faulty


if __name__ == "__main__":
    inject(*os.environ["FAULT"].split(":"))
    cli.train()
