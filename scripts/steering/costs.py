"""Times a step at SD1.5's size with random weights, with each kind of steering and without, in turns:
`python -m scripts.steering.costs`."""

import argparse
import sys
import time
from collections.abc import Callable
from functools import cache
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

import torch

from limelight.attention import AttentionRuntime, RowGroup, plan
from limelight.attention.steering import Bias, KeyGroup, Steering
from limelight.pipeline.requests.steering import Painted, Region
from limelight.pipeline.sampling.coverage import coverage
from limelight.pipeline.sampling.firm import UPDATES, FirmHand, Led, gradients
from limelight.pipeline.sampling.steering import FEATHER, FLOOR, SKIPS, skipped_sites
from scripts.benchmarks.tools.models import SD1, diffusers_unet, our_unet

BOX = (0.0, 0.0, 0.5, 0.5)
TOKENS = 77


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latent", type=int, default=64, help="positions a side")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    unet = our_unet(SD1, diffusers_unet("sd1").state_dict())
    calls = ways(unet, arguments.latent)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round in range(arguments.rounds + 1):
        for name, call in calls.items():
            started = time.process_time()
            call()
            if round:  # the first warms up
                seconds[name].append(time.process_time() - started)
    found = {name: median(times) for name, times in seconds.items()}
    plain, gradient = found.pop("plain"), found.pop("gradient")
    print(f"SD1.5's size, {8 * arguments.latent} pixels a side, median of {arguments.rounds}\n")
    print("| | seconds | times a plain step |\n|---|---|---|")
    print(f"| a step, two rows | {plain:.2f} | 1 |")
    for name, each in found.items():
        print(f"| {name} | {each:.2f} | {each / plain:.3f} |")
    print(f"| one gradient | {gradient:.2f} | {gradient / plain:.3f} |")
    print(f"| a picture by the firm hand | | {1 + UPDATES / 2 * gradient / plain:.2f} |")
    return 0


def ways(unet: Any, side: int) -> dict[str, Callable[[], object]]:
    """A function that makes a step, for each kind of steering."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, side, side, generator=random)
    context = torch.randn(1, TOKENS, unet.config.context_dim, generator=random)
    specs = unet.attention_specs(side, side, TOKENS, batch=2)
    planned = plan(specs, {site.name: site.kind for site in unet.sites})
    backends = {site: choice.backend for site, choice in planned.items()}
    with torch.inference_mode():
        made = unet.keys_values(context)

    def step(*steering: Steering | None) -> Callable[[], object]:
        rows = len(steering)
        group = RowGroup(lambda site: tuple(each.expand(rows, -1, -1, -1) for each in made[site]))  # type: ignore[arg-type,return-value]
        steerings = steering if any(steering) else ()
        runtime = AttentionRuntime(backends, context=(group,), steering=steerings)

        @torch.inference_mode()
        def call() -> object:
            return unet(x.expand(rows, -1, -1, -1), torch.full((rows,), 500.0), None, attention=runtime)

        return call

    strength = torch.zeros(TOKENS, 1)
    strength[5] = 3.0
    painted, region = Painted("x", box=BOX), Region("x", box=BOX)

    @cache
    def paint(grid: tuple[int, int]) -> torch.Tensor:
        return 2 * coverage(painted, grid).flatten()[:, None] - 1

    @cache
    def share(grid: tuple[int, int]) -> torch.Tensor:
        return (1 - FLOOR) * coverage(region, grid, feather=FEATHER).flatten()

    other = KeyGroup(lambda site: made[site], share)
    skip = dict.fromkeys(skipped_sites(unet), SKIPS["pag"])
    hand = FirmHand((Led(painted, (5,)),))
    of_one = AttentionRuntime(backends, context=(RowGroup(lambda site: made[site]),))
    model = cast(Any, SimpleNamespace(unet=unet))
    return {
        "plain": step(None, None),
        "a painted word": step(None, Steering(bias=Bias(paint, strength))),
        "a region": step(None, Steering(weight=lambda grid: 1 - share(grid), groups=(other,))),
        "a row more": step(None, None, None),
        "PAG": step(None, Steering(skip=skip), None),
        "gradient": lambda: gradients(model, x, {"timesteps": torch.tensor([500.0])}, [hand], of_one),
    }


if __name__ == "__main__":
    sys.exit(main())
