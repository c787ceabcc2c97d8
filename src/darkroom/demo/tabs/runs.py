"""How the runs went: evaluation, curves and config."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from darkroom.demo import views
from darkroom.demo.course import Course
from darkroom.demo.handlers import Handlers
from darkroom.demo.tabs.asking import html


def runs(handlers: Handlers, courses: Sequence[Course]) -> None:
    """Curves, evaluation and config."""
    named = [
        (explorer.name, went) for explorer, went in zip(handlers.explorers, courses, strict=True)
    ]
    for name, went in named:
        with gr.Accordion("Evaluation" + _of(name, named), open=bool(went.report)):
            html(went.framed_report())
    html(views.side_by_side([(name, went.charts()) for name, went in named]))
    for name, went in named:
        with gr.Accordion("Config" + _of(name, named), open=False):
            gr.Code(went.config, language="yaml", interactive=False, show_label=False)


def _of(name: str, named: Sequence[Any]) -> str:
    return f" of {name}" if len(named) > 1 else ""
