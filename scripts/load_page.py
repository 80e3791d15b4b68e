"""Many visitors at once: `python -m scripts.load_page`. Prints whether each got its own picture, what memory
came back, and how long one visitor waits beside one who floods the queue."""

import argparse
import base64
import gc
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from app.ui.limits import Limits
from app.ui.settings import Settings
from app.ui.studio import Studio
from app.ui.ticket import Ticket
from pipeline import GenerationRequest, TextToImagePipeline

PROMPT = "a red apple on a blue background"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained("default")
    studio = Studio({"default": pipe}, Limits())
    print_crowd(studio, pipe, arguments.clients, arguments.steps)
    print_flood(studio, arguments.steps)
    studio.close()


def print_crowd(studio: Studio, pipe: TextToImagePipeline, clients: int, steps: int) -> None:
    """Every client draws with its own seed, twice: the first round fills torch's and Python's own pools."""
    seeds = range(1000, 1000 + clients)
    _crowd(studio, seeds, steps)
    base = _resident()
    started = time.monotonic()
    pictures = _crowd(studio, seeds, steps)
    seconds = time.monotonic() - started
    after = _resident()
    right = 0
    for seed, url in pictures.items():
        alone = pipe(PROMPT, seed=seed, num_steps=steps).image
        got = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        right += int(np.abs(np.asarray(got, np.int16) - np.asarray(alone, np.int16)).max() <= 1)
    print(f"{clients} clients at once: {right} got the picture of their own seed, in {seconds:.1f} s")
    print(f"memory: {base / 2**20:.0f} MiB before, {after / 2**20:.0f} after ({after / base - 1:+.1%})")


def _crowd(studio: Studio, seeds: range, steps: int) -> dict[int, str]:
    with ThreadPoolExecutor(len(seeds)) as executor:
        found = executor.map(lambda seed: _client(studio, seed, steps), seeds)
        return dict(zip(seeds, found, strict=True))


def _client(studio: Studio, seed: int, steps: int) -> str:
    """What a tab does: draws, takes the last message, leaves."""
    import asyncio

    from app.ui.handlers import draw

    async def run() -> str:
        last = None
        async for message in draw(
            studio, f"visitor {seed}", Settings(prompt=PROMPT, seed=str(seed), num_steps=steps)
        ):
            last = message
        assert last is not None and not last["error"], last
        return str(last["pictures"][0]["image"])

    try:
        return asyncio.run(run())
    finally:
        studio.leave(f"visitor {seed}")


def print_flood(studio: Studio, steps: int) -> None:
    """One visitor fills its part of the queue; another then asks for one picture."""

    def ticket(visitor: str, seed: int) -> Ticket:
        request = GenerationRequest(prompt=PROMPT, seed=seed, num_steps=steps)
        return Ticket(visitor, "default", "", request, lambda: None)

    flood = [ticket("flood", seed) for seed in range(studio.limits.max_waiting_per_visitor)]
    studio.submit(flood)
    time.sleep(0.5)
    one, began = ticket("other", 99), sum(each.is_over for each in flood)
    studio.submit([one])
    waited = threading.Event()
    while not one.is_over:
        waited.wait(0.01)
    delay = sum(each.is_over for each in flood) - began
    print(f"beside a flood of {len(flood)}: {delay} of its pictures were finished before the other's one")
    studio.stop("flood")


def _resident() -> int:
    gc.collect()
    time.sleep(0.5)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


if __name__ == "__main__":
    main()
