"""What is known of each file beside its pixels: class, split and group."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What the three splits are called by those who made them."""


@dataclass(frozen=True)
class Labelling:
    """Classes, splits and groups of files, in the order of their names.

    Attributes:
        names: The files that count; a table may leave out some.
        labels: Class of each, 0 where there are none, int64.
        class_names: Names of the classes; empty where there are none.
        splits: train, validation or test for each; None where the user left it to us.
        groups: What must stay on one side of the split, for each; None for those on their own.
    """

    names: Sequence[str]
    labels: np.ndarray
    class_names: tuple[str, ...]
    splits: Sequence[str | None]
    groups: Sequence[str | None]


def by_folders(names: Sequence[str], classes: bool = True, group: str | None = None) -> Labelling:
    """Out of paths such as `cats/1.png`, `train/cats/1.png` or `1.png`.

    Folders that all files share say nothing. If all files then lie in folders called train, val and
    test, or the like, these are the splits; what all files in them share says nothing either. If
    all files then lie in folders, of which there are several, these are the classes.

    Args:
        names: Paths with slashes; old archives have backslashes.
        classes: Whether folders are classes.
        group: A regular expression. Files in which it finds the same text (its first bracket, if
            it has one) stay together.

    Raises:
        ValueError: If the expression is none.
    """
    paths = _without_shared([PurePosixPath(_with_slashes(name)).parts for name in names])
    splits: list[str | None] = [None] * len(paths)
    if paths and all(len(path) > 1 and path[0].lower() in SPLITS for path in paths):
        splits = [SPLITS[path[0].lower()] for path in paths]
        paths = _without_shared([path[1:] for path in paths])
    folders = [path[0] if len(path) > 1 else "" for path in paths]
    if not classes or "" in folders:
        folders = [""] * len(paths)
    labels, class_names = _numbered(folders)
    return Labelling(list(names), labels, class_names, splits, _groups(names, group))


def by_table(
    table: Path, columns: Mapping[str, str], names: Sequence[str], group: str | None = None
) -> Labelling:
    """Out of a CSV file with a row for each file; files that it does not mention do not count.

    Args:
        table: The CSV file, with a header.
        columns: Which columns hold `file`, `label`, `split` and `group`. All but the first may be
            missing. A file is named by its path below the source, or by its last part if no two
            files share it.
        names: The files there are.
        group: As for `by_folders`, where the table has no groups.

    Raises:
        ValueError: If the table cannot be read, or names a file or a split that is none.
    """
    found = _by_file(_rows(table, columns), table, columns["file"], names)
    kept = sorted(found)
    classes = [found[name].get("label") or "" for name in kept]
    without = [name for name, label in zip(kept, classes, strict=True) if not label]
    if without and any(classes):
        raise ValueError(
            f"data.table={table}: column {columns['label']!r} is empty for {_some(without)}, and "
            "others have a class. Fill the cells, or remove the rows."
        )
    labels, class_names = _numbered(classes)
    splits = [found[name].get("split") or None for name in kept]
    strange = sorted({s for s in splits if s is not None and s.lower() not in SPLITS})
    if strange:
        raise ValueError(
            f"data.table={table}: {_some(strange)} in column {columns['split']!r} is no split. "
            f"Known are {', '.join(SPLITS)}, and an empty cell."
        )
    given = [found[name].get("group") or None for name in kept]
    return Labelling(
        kept,
        labels,
        class_names,
        [SPLITS[s.lower()] if s else None for s in splits],
        given if any(given) else _groups(kept, group),
    )


def _by_file(
    rows: Sequence[dict[str, str]], table: Path, column: str, names: Sequence[str]
) -> dict[str, dict[str, str]]:
    """The row of each file."""
    full = {_with_slashes(name): name for name in names}
    last = Counter(PurePosixPath(name).name for name in full)
    short = {PurePosixPath(slashed).name: name for slashed, name in full.items()}
    found: dict[str, dict[str, str]] = {}
    unknown, twice = [], []
    for row in rows:
        text = _with_slashes(row["file"]).removeprefix("./")
        name = full.get(text) or (short[text] if last[text] == 1 else None)
        if name is None:
            unknown.append(row["file"])
        elif name in found:
            twice.append(name)
        else:
            found[name] = row
    if twice:
        raise ValueError(f"data.table={table} has several rows for {_some(twice)}. Keep one each.")
    if unknown:
        raise ValueError(
            f"data.table={table}: {len(unknown)} of its {len(rows)} files are not below data.root, "
            f"or their names are ambiguous: {_some(unknown)}. Mend the column {column!r}, or "
            "choose it with data.columns.file=<column>."
        )
    return found


def _without_shared(paths: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Paths without the folders at their beginning that all of them share."""
    while paths and len(paths[0]) > 1 and len({path[:-1][:1] for path in paths}) == 1:
        paths = [path[1:] for path in paths]
    return paths


def _with_slashes(name: str) -> str:
    return name.replace("\\", "/")


def _rows(table: Path, columns: Mapping[str, str]) -> list[dict[str, str]]:
    """The rows of a table under our names of the columns."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header, rows = list(reader.fieldnames or []), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"data.table={table} cannot be read as CSV: {error}") from error
    for ours, theirs in columns.items():
        asked_for = ours == "file" or theirs != ours
        if asked_for and theirs not in header:
            raise ValueError(
                f"data.table={table} has no column {theirs!r}. It has {', '.join(header)}. Type "
                f"data.columns.{ours}=<one of them>."
            )
    present = {ours: theirs for ours, theirs in columns.items() if theirs in header}
    return [{ours: row[theirs] or "" for ours, theirs in present.items()} for row in rows]


def _groups(names: Sequence[str], pattern: str | None) -> list[str | None]:
    if pattern is None:
        return [None] * len(names)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"data.group={pattern} is no regular expression: {error}.") from error
    found = [expression.search(name) for name in names]
    if names and not any(found):
        raise ValueError(
            f"data.group={pattern} fits no file name. The first is {names[0]!r}; type an "
            r"expression such as '(.+)-\d+', whose bracket keeps what relatives share."
        )
    return [match and (match[1] if expression.groups else match[0]) for match in found]


def _numbered(names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes as numbers, in the order of their names; numbers among these by value."""
    distinct = sorted(set(names), key=lambda name: (not name.isdecimal(), _value(name), name))
    if len(distinct) < 2:
        return np.zeros(len(names), np.int64), ()
    place = {name: number for number, name in enumerate(distinct)}
    return np.array([place[name] for name in names], np.int64), tuple(distinct)


def _value(name: str) -> int:
    return int(name) if name.isdecimal() else 0


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
