"""What keeping keys and values saves as BLIP describes a picture: `python -m scripts.benchmark describe`.

Ways of decoding one text take turns, several rounds; times are medians, of the processor. Weights are random,
sizes are those of BLIP's base, and texts have a fixed number of tokens.
"""

import argparse
import statistics
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from limelight.attention.adapters.written_out import adopt
from limelight.pipeline.describer.decoder import Decoder, write
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.turns import Ratio, Way, processor, take_turns, timed

TITLE = "Describing a picture"
DEVICES = ("cpu",)
QUICK = {"layers": 2, "rounds": 1}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layers", type=int, default=12, help="of the vision tower and of the decoder")
    parser.add_argument("--tokens", default="10,20,30", help="lengths of texts")


@torch.inference_mode()
def measure(options: argparse.Namespace) -> list[Section]:
    model, stock = models(options.layers)
    side = model.config.vision_config.image_size
    pixels = torch.randn(1, 3, side, side)
    tower = processor([timed(lambda: model.vision_model(pixels))[1] for _ in range(options.rounds + 1)][1:])
    read = model.vision_model(pixels).last_hidden_state
    rows = [
        [str(count), *row(model, stock, read, count, options.rounds)]
        for count in map(int, options.tokens.split(","))
    ]
    return [
        Section(
            f"BLIP with {options.layers} layers of 768, a picture of {side} x {side}",
            f"The vision tower takes {statistics.median(tower):.2f} s of its own. "
            "`again` reads the picture and the text again for each token. `kept` keeps the keys and values "
            "of both. These two record where each token looked. `generate` is that of transformers, with its "
            "own cache and attention, and records nothing.",
            (
                "tokens",
                "again, s",
                "kept, s",
                "kept / again",
                "generate, s",
                "kept / generate",
                "the same tokens",
            ),
            rows,
            num_texts=0,
        )
    ]


def models(layers: int) -> tuple[Any, Any]:
    """A BLIP for captions with our attention, and the same with that of transformers."""
    from transformers import BlipConfig, BlipForConditionalGeneration

    depth = {"num_hidden_layers": layers}
    config = BlipConfig(text_config=depth, vision_config={**depth, "initializer_range": 0.02})
    torch.manual_seed(0)
    stock = BlipForConditionalGeneration(config).eval()
    with torch.device("meta"):
        model = BlipForConditionalGeneration(config).eval()
    model.load_state_dict(stock.state_dict(), assign=True)
    for name, buffer in stock.named_buffers():  # those that no file has
        module, _, child = name.rpartition(".")
        setattr(model.get_submodule(module), child, buffer)
    model.tie_weights()
    adopt(model)
    return model, stock


def row(model: Any, stock: Any, read: Tensor, count: int, rounds: int) -> list[str]:
    config = model.config.text_config
    found: dict[str, list[int]] = {}

    def ours(keeps: bool) -> Way:
        def run() -> None:
            decoder = Decoder(model.text_decoder, read, keeps=keeps)
            first = config.bos_token_id
            found[str(keeps)] = write(decoder, first=first, end=-1, max_tokens=count).ids

        return run

    def generate() -> None:
        ids = stock.text_decoder.generate(
            torch.tensor([[config.bos_token_id]]),
            encoder_hidden_states=read,
            eos_token_id=config.vocab_size,
            pad_token_id=0,
            do_sample=False,
            max_new_tokens=count,
        )
        found["generate"] = ids[0, 1:].tolist()

    ways: Mapping[str, Way] = {"again": ours(False), "kept": ours(True), "generate": generate}
    ways["kept"]()  # warms up
    times = {name: processor(taken) for name, taken in take_turns(ways, rounds).items()}
    again, kept, theirs = (f"{statistics.median(times[name]):.2f}" for name in ways)
    is_same = len({tuple(ids) for ids in found.values()}) == 1
    return [
        again,
        kept,
        str(Ratio.of(times["kept"], times["again"])),
        theirs,
        str(Ratio.of(times["kept"], times["generate"])),
        "yes" if is_same else "no",
    ]
