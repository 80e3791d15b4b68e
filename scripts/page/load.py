"""Many visitors at once, over HTTP: `python -m scripts.page.load`. Starts `limelight ui` and prints whether
each client got its own picture, what memory came back, and how long a client waits while another floods the
queue."""

import argparse
import base64
import contextlib
import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from gradio_client import Client
from PIL import Image

from limelight.pipeline import TextToImagePipeline

PROMPT = "a red apple on a blue background"
FLOOD = 8
COMMAND = [sys.executable, "-c", "from limelight.app.cli import main; main()", "ui", "--port", "0"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    with served() as (url, process):
        print_crowd(url, process, arguments.clients, arguments.steps)
        print_flood(url, arguments.steps)


@contextlib.contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Address and process of a page of its own."""
    server = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = next(line.split()[-1] for line in server.stdout if "http://" in line)
        yield url, server.pid
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def client_of(url: str) -> Iterator[Client]:
    client = Client(url, verbose=False)
    try:
        yield client
    finally:
        client.close()


def print_crowd(url: str, process: int, clients: int, steps: int) -> None:
    """Every client draws with its own seed, twice: the first round fills torch's and Python's own pools."""
    seeds = range(1000, 1000 + clients)
    crowd(url, seeds, steps)
    base = resident(process)
    started = time.monotonic()
    pictures = crowd(url, seeds, steps)
    seconds = time.monotonic() - started
    after = resident(process)
    pipe, right = TextToImagePipeline.from_pretrained("default"), 0
    for seed, image in pictures.items():
        alone = pipe(PROMPT, seed=seed, num_steps=steps).image
        got = Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2])))
        right += int(np.abs(np.asarray(got, np.int16) - np.asarray(alone, np.int16)).max() <= 1)
    print(f"{clients} clients at once: {right} got the picture of their own seed, in {seconds:.1f} s")
    print(f"memory: {base / 2**20:.0f} MiB before, {after / 2**20:.0f} after ({after / base - 1:+.1%})")


def crowd(url: str, seeds: range, steps: int) -> dict[int, str]:
    """The picture that each seed's client got; all begin when the last has connected."""
    together = threading.Barrier(len(seeds))

    def one(seed: int) -> str:
        with client_of(url) as client:
            together.wait()
            return picture_of(submit(client, seed, steps, record="head"))

    with ThreadPoolExecutor(len(seeds)) as executor:
        return dict(zip(seeds, executor.map(one, seeds), strict=True))


def submit(client: Client, seed: int, steps: int, record: str = "off") -> Any:
    return client.submit(prompt=PROMPT, seed=str(seed), num_steps=steps, record=record, api_name="/generate")


def picture_of(job: Any) -> str:
    answer = job.result()  # the last of them
    assert not answer["error"] and answer["pictures"][0]["state"] == "done", answer
    return str(answer["pictures"][0]["image"])


def print_flood(url: str, steps: int) -> None:
    """One client asks for as many pictures as may wait; another then asks for one."""
    with client_of(url) as flooding, client_of(url) as other:
        jobs = [submit(flooding, seed, steps) for seed in range(FLOOD)]
        while not any(job.outputs() for job in jobs):
            time.sleep(0.05)
        began = sum(job.done() for job in jobs)
        picture_of(submit(other, 99, steps))
        delay = sum(job.done() for job in jobs) - began
        print(f"with a flood of {FLOOD}: {delay} of its pictures were finished before the other's one")
        for job in jobs:
            job.result()


def resident(process: int) -> int:
    """Bytes of resident memory of a process, after two seconds of rest."""
    time.sleep(2)
    with open(f"/proc/{process}/statm") as file:
        return int(file.read().split()[1]) * 4096


if __name__ == "__main__":
    main()
