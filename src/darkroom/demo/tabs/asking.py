"""How a control asks a handler, and how what it answers comes onto the page."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import gradio as gr
from markupsafe import Markup, escape

from darkroom.demo.handlers import Shown

ONE_AT_A_TIME = "model"


def html(content: Markup | str, **options: Any) -> gr.HTML:
    return gr.HTML(safe(content), **{"js_on_load": None, "apply_default_css": False} | options)


def safe(content: Markup | str) -> str:
    """HTML in which Gradio finds nothing of its template language, whatever is in it."""
    return str(content).replace("{", "&#123;").replace("$", "&#36;")


def outcome(shown: Shown) -> tuple[Any, ...]:
    return safe(shown.view), *shown.files


def reporting(progress: Any, what: str) -> Callable[[float], None]:
    return lambda share: progress(share, desc=what)


def on(
    trigger: Callable[..., Any],
    function: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    hidden: bool = False,
) -> Any:
    """Lets a handler answer an event; what a visitor caused is said on the page.

    All handlers wait in one queue, because all of them want the same processor; of what piles up
    while one is busy, such as the way of a slider, the last counts.
    """

    @wraps(function)
    def spoken(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ValueError as error:
            raise gr.Error(str(escape(str(error))), title="", print_exception=False) from None

    return trigger(
        spoken,
        list(inputs),
        list(outputs),
        trigger_mode="always_last",
        concurrency_id=ONE_AT_A_TIME,
        concurrency_limit=1,
        show_progress="hidden" if hidden else "minimal",
        api_visibility="private",
    )
