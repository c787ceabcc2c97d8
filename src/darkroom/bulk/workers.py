"""The processes that draw an edition, one part after another."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait

import torch
from tqdm import tqdm

from darkroom import files
from darkroom.bulk.drawing import Drawing
from darkroom.bulk.edition import Edition, Part
from darkroom.bulk.formats import Format, Print

Make = Callable[[int], Drawing]
"""Makes what the worker of that number draws with."""


def write(edition: Edition, form: Format, drawing: Drawing, again: Make, workers: int = 1) -> int:
    """Draws the parts of an edition that are not there yet.

    Args:
        edition: The images, in their parts.
        form: What a part is on the disk.
        drawing: What draws them here, if one process is enough.
        again: Makes the same in other processes, so it can be pickled.
        workers: How many processes, at most as many as there are parts to draw.

    Returns:
        How many images were drawn.

    Raises:
        ValueError: If an image cannot be drawn.
        OSError: If a part cannot be written, or a process was killed.
    """
    missing = edition.missing()
    total = sum(len(part.seeds) for part in missing)
    workers = min(workers, len(missing))
    with tqdm(total=total, unit=" images", unit_scale=True) as bar:
        if workers > 1:
            try:
                _together([missing[k::workers] for k in range(workers)], form, again, bar.update)
            finally:
                files.sweep(edition.folder)  # what a process was writing when it was ended
        else:
            _draw(missing, form, drawing, bar.update)
    return total


def _draw(
    parts: Sequence[Part], form: Format, drawing: Drawing, tell: Callable[[int], object]
) -> None:
    for part in parts:
        form.write(_told(drawing.prints(part.seeds), tell), part.path)


def _told(batches: Iterator[list[Print]], tell: Callable[[int], object]) -> Iterator[Print]:
    for batch in batches:
        yield from batch
        tell(len(batch))


def _together(
    shares: Sequence[Sequence[Part]], form: Format, make: Make, tell: Callable[[int], object]
) -> None:
    """One process for each share."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    threads = max(1, torch.get_num_threads() // len(shares))
    running = {}
    try:
        for number, parts in enumerate(shares):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(number, parts, form, make, threads, theirs), daemon=True
            )
            process.start()
            theirs.close()
            running[ours] = process
        while running:
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                try:
                    said = connection.recv()
                except EOFError:
                    ended = running.pop(connection)
                    ended.join()
                    _refuse_failure(ended.exitcode)
                    continue
                if isinstance(said, Exception):
                    raise said
                tell(said)
    finally:
        for process in running.values():
            process.kill()
            process.join()


def _work(
    number: int, parts: Sequence[Part], form: Format, make: Make, threads: int, line: Connection
) -> None:
    """What one process does. It tells how many images it has drawn, or what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is asked too, and ends all
    torch.set_num_threads(threads)
    try:
        _draw(parts, form, make(number), line.send)
    except BrokenPipeError:  # the first process is gone
        return
    except (ValueError, OSError) as error:
        line.send(error)


def _refuse_failure(status: int | None) -> None:
    """Raises OSError for a process that did not end as it should."""
    if status == -signal.SIGKILL:
        raise OSError(
            "A process that draws was killed, as the machine does when it is out of memory. What "
            "is written stays: type the same again, with fewer workers."
        )
    if status:
        raise OSError(f"A process that draws ended with status {status}; it said why above.")
