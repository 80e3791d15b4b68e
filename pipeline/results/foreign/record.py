"""Recognizes the program that made a picture by its texts, and reads its record."""

import json
from collections.abc import Mapping
from typing import Any

from limelight.pipeline.results.foreign import a1111, flat
from limelight.pipeline.results.foreign.comfyui import record_of_graph
from limelight.pipeline.results.foreign.fields import BadParameters, shown

READ = "Limelight, AUTOMATIC1111's web UI, ComfyUI, Fooocus, RuinedFooocus, SwarmUI, InvokeAI, NovelAI"
_OLD_INVOKE = "Dream"  # the command line of its first versions


def foreign_record(texts: Mapping[str, str]) -> dict[str, Any] | None:
    """The record of the picture, as from `a1111.record_of`; None if there is none.

    Raises:
        BadParameters: a record exists but cannot be read.
    """
    if text := texts.get("invokeai_metadata"):
        settings = _json(text, "InvokeAI")
        return flat.record_of("InvokeAI", settings, str(settings.get("app_version", "unknown"))[:40])
    if text := texts.get("sd-metadata"):
        return _old_invoke(_json(text, "InvokeAI"))
    if texts.get("Software") == "NovelAI" and "Comment" in texts:
        settings = {"prompt": texts.get("Description", "")} | _json(texts["Comment"], "NovelAI")
        return flat.record_of("NovelAI", settings, texts.get("Source", "unknown"))
    text = texts.get("parameters", "").strip()
    if text.startswith("{"):
        return _of_json(_json(text, "parameters"), texts)
    if text:
        return a1111.record_of(text)
    if (graph := texts.get("prompt", "").strip()).startswith("{"):
        return record_of_graph(_json(graph, "ComfyUI"))
    if _OLD_INVOKE in texts:
        raise BadParameters(
            "the picture is of InvokeAI's first versions, whose command line is not read here"
        )
    if "workflow" in texts:
        raise BadParameters(
            "the file holds ComfyUI's workflow as it was edited, without the graph that was run"
        )
    return None


def _json(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadParameters(f"the record of {what} is not valid JSON: {shown(str(error))}") from None
    if not isinstance(found, dict):
        raise BadParameters(f"the record of {what} is {shown(found)}; must be an object of JSON")
    return found


def _of_json(found: dict[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """The record from JSON in `parameters`: by SwarmUI, Fooocus, RuinedFooocus or a Space."""
    if isinstance(swarm := found.get("sui_image_params"), dict):
        return flat.record_of("SwarmUI", swarm, str(swarm.get("swarm_version", "unknown"))[:40])
    if found.get("software") == "RuinedFooocus":
        return flat.record_of("RuinedFooocus", found)
    version = found.get("version", "unknown")
    if "fooocus_scheme" in texts or str(version).startswith("Fooocus"):
        return flat.record_of("Fooocus", found, str(version)[:40])
    return flat.record_of("another program, in JSON,", found)


def _old_invoke(found: dict[str, Any]) -> dict[str, Any]:
    """The record from `sd-metadata` of InvokeAI 2, which has settings in `image` and the prompt in a list."""
    image = found.get("image")
    settings = dict(image) if isinstance(image, dict) else {}
    prompts = settings.get("prompt")
    if isinstance(prompts, list) and prompts and isinstance(prompts[0], dict):
        settings["prompt"] = prompts[0].get("prompt")
    settings["model"] = found.get("model_weights", "unknown")
    return flat.record_of("InvokeAI", settings, str(found.get("app_version", "unknown"))[:40])
