"""One HTML file of a picture, its words, and where each acted in every step; it needs no network."""

import html
import json
from base64 import b64encode
from importlib.resources import files
from io import BytesIO
from string import Template
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.enlarging.view import enlarged_to
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.results.overlay import colour_table
from limelight.pipeline.results.result import Result
from limelight.pipeline.results.sheet import TILE

LEVELS = 255


def light_page(result: Result, maps: HeatMaps, steps: list[int]) -> str:
    """The page as text.

    Args:
        maps: of the result's picture.
        steps: index of the predictions that it shows.
    """
    words = maps.words()
    frames = [word_maps(maps.step(step)) for step in steps]
    frames.append(word_maps(maps))
    stacked = torch.stack(frames)  # frames words h w
    top = float(stacked.max()) if stacked.numel() else 0.0
    levels = (stacked / max(top, 1e-12) * LEVELS).round().clamp(0, LEVELS).byte()
    weight = stacked[-1].amax((1, 2)) if words else torch.zeros(0)
    data = {
        "words": [word.text for word in words],
        "first": int(weight.argmax()) if words else -1,
        "steps": steps,
        "count": maps.num_steps,
        "rows": stacked.shape[-2],
        "columns": stacked.shape[-1],
        "maps": _base64(levels.numpy().tobytes()),
        "table": _base64(np.ascontiguousarray(colour_table()).tobytes()),
    }
    picture = BytesIO()
    enlarged_to(result.image, TILE).save(picture, "PNG")
    template = Template(files(__package__).joinpath("light_page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=html.escape(result.request.prompt or "(an empty prompt)"),
        picture=f"data:image/png;base64,{_base64(picture.getvalue())}",
        width=result.image.width,
        height=result.image.height,
        most=f"{top:.0%}",
        facts="".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in facts_of(result)),
        data=json.dumps(data).replace("<", "\\u003c"),
    )


def word_maps(maps: HeatMaps) -> Float[Tensor, "words h w"]:
    """The map of every word in the prompt's order, on the finest grid that is taken."""
    tokens = maps.probabilities()
    found = [tokens[list(word.tokens)].sum(0) for word in maps.words()]
    return torch.stack(found).float().cpu() if found else torch.zeros(0, *tokens.shape[1:])


def facts_of(result: Result) -> list[tuple[str, str]]:
    """The settings that a reader wants to know, each with its name."""
    request, model = result.request, result.info["model"]
    facts: list[tuple[str, Any]] = [
        ("Negative prompt", request.negative_prompt),
        ("Model", model["name"]),
        ("Seed", request.seed),
        ("Steps", request.num_steps),
        ("Guidance", request.guidance_scale),
        ("Scheduler", request.scheduler),
        ("Size", f"{result.image.width}x{result.image.height}"),
    ]
    return [(name, str(value)) for name, value in facts if value not in ("", None)]


def _base64(content: bytes) -> str:
    return b64encode(content).decode()
