"""How the runs went: evaluation, curves and config."""

from collections.abc import Sequence

import gradio as gr

from darkroom.demo import views
from darkroom.demo.course import Course
from darkroom.demo.handlers import Handlers
from darkroom.demo.tabs.asking import html


def runs(handlers: Handlers, courses: Sequence[Course]) -> None:
    """Lays out what there is to read; nothing on this tab asks for anything."""
    names = [explorer.name for explorer in handlers.explorers]
    named = list(zip(names, courses, strict=True))
    with gr.Accordion("Evaluation", open=any(went.report for went in courses)):
        html(views.side_by_side([(name, went.framed_report()) for name, went in named]))
    with gr.Accordion("Curves"):
        html(views.side_by_side([(name, went.charts()) for name, went in named]))
    with gr.Accordion("Config", open=False), gr.Row():
        for name, went in named:
            gr.Code(
                went.config,
                language="yaml",
                label=name,
                interactive=False,
                show_label=len(named) > 1,
                max_lines=40,
            )
