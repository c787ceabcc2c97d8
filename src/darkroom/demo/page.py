"""The page: its look, its tabs, and what leads from one of them to another.

Gradio is known here, in `tabs` and in `serving`. It reads its environment when it is imported, so
`serving` sets that first.
"""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from markupsafe import Markup

from darkroom.demo import views
from darkroom.demo.course import Course
from darkroom.demo.handlers import Edit, Handlers
from darkroom.demo.tabs.asking import html, on
from darkroom.demo.tabs.edits import Edits
from darkroom.demo.tabs.runs import runs
from darkroom.demo.tabs.sample import Sample
from darkroom.demo.tabs.walk import Walk
from darkroom.demo.tabs.yours import Yours
from darkroom.reports import page as reports

WAITING = 16  # requests in the queue; who comes later is asked to come again
KEPT = (600, 3600)  # seconds between sweeps of files that were made, and until they are old

_here = Path(__file__).parent
_charts = Path(reports.__file__).with_name("page.css").read_text().replace(":root", "&")
HEAD = (
    '<meta name="color-scheme" content="light dark">'
    f"<style>{(_here / 'page.css').read_text()}\n.report {{ {_charts} }}</style>"
)


def theme() -> gr.themes.Base:
    """Quiet paper, a safelight's red, and the fonts that the machine has."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.red,
        neutral_hue=gr.themes.colors.stone,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        radius_size=gr.themes.sizes.radius_sm,
    ).set(
        button_primary_background_fill="#a5301d",
        button_primary_background_fill_hover="#8a2717",
        button_primary_background_fill_dark="#c8452f",
        button_primary_text_color="#ffffff",
        color_accent="#a5301d",
        link_text_color="*neutral_600",
        link_text_color_dark="*neutral_400",
        body_text_color="#1f1c19",
        body_text_color_dark="#ece7e1",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_400",
        block_info_text_color="*neutral_500",
        block_title_text_size="*text_sm",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1f1c19",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        slider_color="#a5301d",
        slider_color_dark="#e2644c",
        block_border_width="0px",
        block_shadow="none",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_padding="0px",
        body_background_fill="#faf9f7",
        body_background_fill_dark="#161412",
    )


def page(handlers: Handlers, courses: Sequence[Course]) -> gr.Blocks:
    """The whole page.

    Args:
        handlers: What it asks.
        courses: How each run went.
    """
    with gr.Blocks(title="darkroom", analytics_enabled=False, delete_cache=KEPT) as blocks:
        html(_heading(handlers))
        chosen, edit = gr.State(0), gr.State(None)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Sample", id="sample"):
                sample = Sample(handlers)
            with gr.Tab("Walk", id="walk") as walk_tab:
                walk = Walk()
            with gr.Tab("Edit", id="edit") as edit_tab:
                edits = Edits(handlers)
            with gr.Tab("Upload", id="yours"):
                yours = Yours(handlers)
            with gr.Tab(_run_word(handlers), id="run"):
                runs(handlers, courses)
        sample.listen(handlers, chosen)
        walk.listen(handlers, sample)
        edits.listen(handlers, edit)
        yours.listen(handlers, edit)

        def to_tab(name: str) -> gr.Tabs:
            return gr.Tabs(selected=name)

        on(
            sample.walk_from.click,
            lambda seed: (seed, to_tab("walk")),
            [chosen],
            [walk.start, tabs],
        )
        on(sample.walk_to.click, lambda seed: (seed, to_tab("walk")), [chosen], [walk.end, tabs])
        on(walk_tab.select, walk.shown(handlers), walk.inputs(sample), walk.outputs)

        def begin(seed: object, *manner: object) -> Edit:
            return handlers.begun(seed, handlers.manner(*manner))

        def begin_if_nothing_is(known: Edit | None, seed: object, *manner: object) -> Edit:
            return begin(seed, *manner) if known is None else known

        for trigger, function, inputs in (
            (sample.edit.click, begin, [chosen, *sample.manner]),
            (edit_tab.select, begin_if_nothing_is, [edit, chosen, *sample.manner]),
        ):
            begun = on(trigger, function, inputs, [edit])
            on(begun.success, edits.opened(handlers), [edit, edits.group], edits.outputs)
        for button in (sample.edit, yours.edit):
            on(button.click, lambda: to_tab("edit"), [], [tabs])
        on(yours.edit.click, edits.opened(handlers), [edit, edits.group], edits.outputs)
    blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    return blocks


def _run_word(handlers: Handlers) -> str:
    return "Run" if len(handlers.explorers) == 1 else "Runs"


def _heading(handlers: Handlers) -> Markup:
    runs = [views.facts({explorer.name: explorer.facts}) for explorer in handlers.explorers]
    return Markup('<header class="top"><h1>darkroom</h1>{}</header>').format(Markup("").join(runs))
