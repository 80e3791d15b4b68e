"""diffusers' U-Net in other runtimes, where they are installed; they are no dependencies of the project."""

import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scripts.benchmarks.tools.models import Inputs

Predict = Callable[[], Tensor]


class _Plain(nn.Module):
    """A U-Net with tensors in and a tensor out, as exporters want it."""

    def __init__(self, unet: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.unet = unet
        self.names = names

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, *added: Tensor) -> Tensor:
        added_cond = dict(zip(self.names, added, strict=True)) or None
        return self.unet(x, timesteps, context, added_cond_kwargs=added_cond, return_dict=False)[0]


def missing(*packages: str) -> str | None:
    """Which packages are missing, in words; None if all are installed."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def compiled(unet: Any, inputs: Inputs, num_threads: int) -> Predict:
    """diffusers' U-Net, compiled by torch.compile."""
    fast = torch.compile(_Plain(unet, tuple(inputs.added)), dynamic=False)
    return lambda: fast(*_arguments(inputs))


def openvino(unet: Any, inputs: Inputs, num_threads: int) -> Predict:
    """diffusers' U-Net in OpenVINO, converted directly from torch; in float32, for one size."""
    import openvino as ov

    plain, arguments = _Plain(unet, tuple(inputs.added)), _arguments(inputs)
    model = ov.convert_model(plain, example_input=arguments)
    model.reshape({i: list(each.shape) for i, each in enumerate(arguments)})
    options = {
        "INFERENCE_NUM_THREADS": num_threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    ready = ov.Core().compile_model(model, "CPU", options)
    given = [each.numpy() for each in arguments]
    return lambda: torch.from_numpy(ready(given)[0])


def onnxruntime(unet: Any, inputs: Inputs, num_threads: int) -> Predict:
    """diffusers' U-Net in ONNX Runtime, for one size, with all of its optimizations for a CPU."""
    import onnxruntime as ort

    plain, arguments = _Plain(unet, tuple(inputs.added)), _arguments(inputs)
    names = [f"input{i}" for i in range(len(arguments))]
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting is no work
    with tempfile.TemporaryDirectory() as folder:
        file = os.fspath(Path(folder) / "unet.onnx")
        torch.onnx.export(plain, arguments, file, input_names=names, opset_version=17, dynamo=False)
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    given = {name: each.numpy() for name, each in zip(names, arguments, strict=True)}
    return lambda: torch.from_numpy(session.run(None, given)[0])


def _arguments(inputs: Inputs) -> tuple[Tensor, ...]:
    return (inputs.x, inputs.timesteps, inputs.context, *inputs.added.values())
