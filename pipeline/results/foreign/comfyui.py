"""Reads ComfyUI's graphs: the sampler with its prompts, size and checkpoint."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from limelight.pipeline.results.foreign.fields import BadParameters, shown
from limelight.pipeline.results.foreign.flat import record_of

MAX_NODES = 2000
PROGRAM = "ComfyUI"
_TEXTS = ("text", "text_g", "string", "value", "prompt", "positive")
_MODELS = ("ckpt_name", "unet_name", "model_name")
Graph = Mapping[str, Mapping[str, Any]]  # id -> inputs


def record_of_graph(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the picture that a graph draws.

    Raises:
        BadParameters: the graph has another form; the message describes it.
    """
    if len(nodes) > MAX_NODES:
        raise BadParameters(f"the graph of ComfyUI has {len(nodes):,} nodes; at most {MAX_NODES:,} are read")
    kinds = {
        str(id): _text(node.get("class_type")) for id, node in nodes.items() if isinstance(node, Mapping)
    }
    graph: Graph = {
        str(id): node["inputs"]
        for id, node in nodes.items()
        if isinstance(node, Mapping) and isinstance(node.get("inputs"), Mapping)
    }
    samplers = [id for id, inputs in graph.items() if {"positive", "steps", "sampler_name"} <= inputs.keys()]
    if not samplers:
        raise BadParameters(
            "the graph of ComfyUI has no node with a positive prompt, steps and sampler_name, which are what "
            f"is read here; its nodes are {shown(', '.join(sorted(set(kinds.values()))))}"
        )
    first = _first(graph, samplers)
    inputs = graph[first]
    settings: dict[str, Any] = {
        "prompt": _found(graph, inputs["positive"], _prompt),
        "negative": _found(graph, inputs.get("negative"), _prompt) or "",
        "seed": _value(graph, inputs.get("seed", inputs.get("noise_seed"))),
        **{name: _value(graph, inputs.get(name)) for name in ("steps", "cfg", "sampler_name", "scheduler")},
        "model": _found(graph, inputs.get("model"), _checkpoint) or "unknown",
    }
    width, height = _found(graph, inputs.get("latent_image"), _size) or (None, None)
    settings |= {"width": width, "height": height}
    if not isinstance(settings["prompt"], str):
        kind = kinds.get(_linked(inputs["positive"]) or "", "none")
        raise BadParameters(
            f"the prompt in the graph of ComfyUI comes from a node {shown(kind)}, which has no text that is "
            "read here"
        )
    record = record_of(PROGRAM, settings)
    record["ignored"] |= {f"node {shown(id)}": shown(kinds[id]) for id in samplers if id != first}
    return record


def _first(graph: Graph, samplers: list[str]) -> str:
    """The sampler that begins from an empty latent; others refine its picture."""
    for id in samplers:
        latent = graph[id].get("latent_image")
        if not any(other in samplers for other, _ in _behind(graph, latent)):
            return id
    return samplers[0]


def _behind(graph: Graph, link: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The nodes that an input depends on, the nearest first."""
    start = _linked(link)
    waiting, seen = deque([start] if start is not None else []), {start}
    while waiting:
        id = waiting.popleft()
        if id not in graph:
            continue
        yield id, graph[id]
        for value in graph[id].values():
            if (other := _linked(value)) is not None and other not in seen:
                seen.add(other)
                waiting.append(other)


def _linked(value: Any) -> str | None:
    """The node that an input comes from, [id, output]; None if the input is a value."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int):
        return str(value[0]) if isinstance(value[0], str) or value[0].bit_length() < 100 else None
    return None


def _found(graph: Graph, link: Any, read: Callable[[Mapping[str, Any]], Any]) -> Any:
    """The first value that `read` finds in the nodes that an input depends on."""
    for _, inputs in _behind(graph, link):
        if (value := read(inputs)) is not None:
            return value
    return None


def _value(graph: Graph, value: Any) -> Any:
    """The value of an input, or of the node that it comes from."""
    if _linked(value) is None:
        return value

    def only(inputs: Mapping[str, Any]) -> Any:
        return next((each for each in inputs.values() if isinstance(each, str | int | float)), None)

    return _found(graph, value, only)


def _prompt(inputs: Mapping[str, Any]) -> str | None:
    return next((inputs[name] for name in _TEXTS if isinstance(inputs.get(name), str)), None)


def _checkpoint(inputs: Mapping[str, Any]) -> str | None:
    return next((inputs[name] for name in _MODELS if isinstance(inputs.get(name), str)), None)


def _size(inputs: Mapping[str, Any]) -> tuple[Any, Any] | None:
    return (inputs["width"], inputs["height"]) if {"width", "height"} <= inputs.keys() else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "unknown"
