"""The questions that everybody has, answered from an evaluation."""

import math
from dataclasses import dataclass

from darkroom.evaluation.record import Evaluation, Number
from darkroom.evaluation.wording import (
    family_of,
    interval,
    label_of,
    main_of,
    percent,
    rounded,
    shown,
)
from darkroom.reports import floor

VERDICTS = {  # how those of an audit begin; the others leave it open
    "No sign of copying": "good",
    "Some samples are copies": "bad",
    "It copies its training images": "bad",
}


@dataclass(frozen=True)
class Answer:
    """One of the questions that everybody has.

    Attributes:
        question: The question.
        short: A word or a number.
        sentence: The same, in full.
        state: good, bad or plain.
        picture: The number beside its floor; empty without one.
    """

    question: str
    short: str
    sentence: str
    state: str = "plain"
    picture: str = ""


def headline(judged: Evaluation) -> str:
    """How good it is, in a sentence."""
    name, number = _main(judged, "quality")
    if number is None:
        return "How good the samples are was not measured."
    figure, real = f"{label_of(name)} is {shown(number)}", floor.known(number)
    if real is None:
        return f"{figure}; what real images would get is not known."
    figure += f"; unseen real images get {rounded(real)}"
    if floor.reached(number):
        return f"By this measure the samples cannot be told from real images: {figure}."
    if number.error is None:
        return f"{figure}. How exact that is, is not known."
    return f"The samples can be told from real images: {figure}."


def answers(judged: Evaluation, diagnosed: bool) -> list[Answer]:
    """The four answers.

    Args:
        judged: The numbers.
        diagnosed: Whether there was a training that illnesses were looked for in.
    """
    return [_good(judged), _diverse(judged), _original(judged), _wrong(judged, diagnosed)]


def _good(judged: Evaluation) -> Answer:
    name, number = _main(judged, "quality")
    if number is None:
        return Answer("Is it good?", "unknown", "No number of quality was measured.")
    words = [
        floor.in_words(other, also)
        for other, also in judged.numbers.items()
        if family_of(other) == "precision" and other != name and math.isfinite(also.value)
    ]
    return _measured("Is it good?", name, number, (words or [floor.in_words(name, number)])[0])


def _diverse(judged: Evaluation) -> Answer:
    name, number = _main(judged, "diversity")
    if number is None:
        return Answer("Is it diverse?", "unknown", "No number of diversity was measured.")
    sentence = floor.in_words(name, number)
    for other, reached in judged.numbers.items():
        if family_of(other) == "classes_reached" and math.isfinite(reached.value):
            real = floor.known(reached)
            of = "" if real is None else f" of {rounded(real)}"
            sentence += f" They show {rounded(reached.value)}{of} classes."
    return _measured("Is it diverse?", name, number, sentence)


def _measured(question: str, name: str, number: Number, sentence: str) -> Answer:
    state = "good" if floor.reached(number) else "plain"
    short = f"{label_of(name).split(' (')[0]} {shown(number)}"
    return Answer(question, short, sentence, state, floor.picture(name, number))


def _original(judged: Evaluation) -> Answer:
    audit = judged.originality
    if audit is None:
        why = "There are no training images to compare the samples with."
        return Answer("Is it original?", "unknown", why)
    verdict, _, reason = audit.verdict.partition(": ")
    estimate = f"Copied: {percent(audit.copied)} ({interval(*audit.interval)})."
    return Answer(
        "Is it original?",
        verdict.rstrip("."),
        f"{estimate} {reason[:1].upper()}{reason[1:]}".rstrip(),
        VERDICTS.get(verdict.rstrip("."), "plain"),
    )


def _wrong(judged: Evaluation, diagnosed: bool) -> Answer:
    found = judged.findings
    question = "What is wrong?"
    if not found:
        if not diagnosed:
            return Answer(question, "unknown", "Without a training there is no diagnosis.")
        return Answer(question, "nothing found", "No known illness shows in its curves.", "good")
    worst = max(found, key=lambda finding: finding.severity)
    more = f" And {len(found) - 1} more, below." if len(found) > 1 else ""
    state = "plain" if worst.severity < 2 else "bad"
    return Answer(question, worst.name, worst.evidence + more, state)


def _main(judged: Evaluation, aspect: str) -> tuple[str, Number | None]:
    name = main_of(judged.numbers, aspect, judged.protocol.instrument.name)
    return (name, judged.numbers[name]) if name else ("", None)
