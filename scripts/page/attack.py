"""Attacks the page while honest clients draw: `python -m scripts.page.attack`. Starts `limelight ui`, lets
clients draw undisturbed, then again in an attack, and prints how long they waited and how much memory is not
freed."""

import argparse
import base64
import contextlib
import http.client
import io
import json
import random
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from limelight.app.ui.actions.api import parameters
from scripts.page.load import resident, served

PROMPT = "a red apple on a blue background"
ATTACKERS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")  # the first is the address of the others too
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Page:
    """The address of a page, and the number of its function `generate`."""

    host: str
    port: int
    generate: int

    @classmethod
    def at(cls, url: str) -> "Page":
        where = urlsplit(url)
        assert where.hostname and where.port
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        connection.request("GET", "/config")
        functions = json.loads(connection.getresponse().read())["dependencies"]
        connection.close()
        generate = next(each["id"] for each in functions if each["api_name"] == "generate")
        return cls(where.hostname, where.port, generate)

    def connected(self, source: str = "127.0.0.1", seconds: float = 120) -> socket.socket:
        return socket.create_connection((self.host, self.port), seconds, source_address=(source, 0))

    def head(self, method: str, path: str, length: int = 0) -> bytes:
        fields = {
            "Host": f"{self.host}:{self.port}",
            "Content-Type": "application/json",
            "Content-Length": length,
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode()

    def join(self, session: str, *, seed: int = 1, steps: int = 4, size: int | None = None) -> bytes:
        """The request that asks for a picture."""
        given = {"prompt": PROMPT, "seed": str(seed), "num_steps": steps, "width": size, "height": size}
        data = [given.get(each.name, each.default) for each in parameters()]
        body = json.dumps({"data": data, "fn_index": self.generate, "session_hash": session}).encode()
        return self.head("POST", "/gradio_api/queue/join", len(body)) + body


def picture(page: Page, seed: int, steps: int) -> tuple[float, bytes]:
    """An honest client: how long it waited, and the data URL that it got."""
    session, began = f"honest{seed}{random.random()}".replace(".", ""), time.monotonic()
    with page.connected() as asking:
        asking.sendall(page.join(session, seed=seed, steps=steps))
        answer = asking.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
    with page.connected() as listening:
        listening.sendall(page.head("GET", f"/gradio_api/queue/data?session_hash={session}"))
        got = b""
        while b'"process_completed"' not in got:
            part = listening.recv(1 << 18)
            assert part, got[-300:]
            got = got[-400_000:] + part
    start = got.rfind(b"data:image/png;base64,")
    assert b'"state":"done"' in got, got[-600:]
    return time.monotonic() - began, got[start : got.index(b'"', start)]


def honest(page: Page, clients: int, at_once: int, steps: int) -> dict[int, tuple[float, bytes]]:
    """The seconds that each client waited, and the picture that it got."""
    seeds = range(1, clients + 1)
    with ThreadPoolExecutor(at_once) as threads:
        return dict(zip(seeds, threads.map(lambda seed: picture(page, seed, steps), seeds), strict=True))


def flood(page: Page, source: str, chance: random.Random) -> None:
    """Asks for large pictures under invented names, and never listens."""
    with page.connected(source, 5) as s:
        s.sendall(page.join(f"flood{chance.random()}".replace(".", ""), steps=100, size=512))
        s.recv(4096)


def half_a_head(page: Page, source: str, chance: random.Random) -> None:
    """Begins a request and stops."""
    with page.connected(source, 5) as s:
        s.sendall(page.head("GET", "/")[: chance.randrange(1, 30)])
        time.sleep(2)


def half_a_body(page: Page, source: str, chance: random.Random) -> None:
    """Announces a large body and sends a part of it."""
    with page.connected(source, 5) as s:
        s.sendall(page.head("POST", "/gradio_api/queue/join", 30 * 2**20) + b"x" * chance.randrange(2**18))
        time.sleep(2)


def abandoned(page: Page, source: str, chance: random.Random) -> None:
    """Asks for a picture, begins to listen, and leaves or reads nothing more."""
    session = f"gone{chance.random()}".replace(".", "")
    with page.connected(source, 5) as asking:
        asking.sendall(page.join(session, steps=100))
        asking.recv(4096)
    with page.connected(source, 5) as listening:
        listening.sendall(page.head("GET", f"/gradio_api/queue/data?session_hash={session}"))
        listening.recv(64)
        time.sleep(chance.choice((0.0, 1.0)))


def nonsense(page: Page, source: str, chance: random.Random) -> None:
    """Invalid requests and calls."""
    with page.connected(source, 5) as s:
        body = chance.randbytes(chance.randrange(200))
        s.sendall(page.head("POST", "/gradio_api/queue/join", len(body)) + body)
        s.recv(4096)


ATTACKS = (flood, flood, half_a_head, half_a_body, abandoned, nonsense)


@contextlib.contextmanager
def attacked(page: Page, seed: int = 0, pause: float = 0.1) -> Iterator[None]:
    """A context in which each attack is repeated from each address."""
    over = threading.Event()

    def repeat(attack: Callable[[Page, str, random.Random], None], source: str, seed: int) -> None:
        chance = random.Random(seed)
        while not over.is_set():
            with contextlib.suppress(OSError):
                attack(page, source, chance)
            over.wait(pause)

    threads = [
        threading.Thread(target=repeat, args=(attack, source, seed + i))
        for source in ATTACKERS
        for i, attack in enumerate(ATTACKS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two data URLs are equal pictures up to rounding, which pictures drawn at the same time can
    change."""
    first, second = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(b",")[2]))), np.int16)
        for url in (one, other)
    )
    return first.shape == second.shape and int(np.abs(first - second).max()) <= 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    given = arguments.clients, arguments.at_once, arguments.steps
    with served() as (url, process):
        page = Page.at(url)
        with attacked(page):  # the first round fills torch's and Python's own pools
            honest(page, *given)
        time.sleep(20)
        alone = honest(page, *given)
        time.sleep(20)
        base = resident(process)
        with attacked(page):
            others = honest(page, *given)
        time.sleep(20)  # silent sessions are dropped
        after = resident(process)
    print_report(alone, others, base, after)


def print_report(
    alone: dict[int, tuple[float, bytes]], others: dict[int, tuple[float, bytes]], base: int, after: int
) -> None:
    """Prints how many clients got the same picture as without the attack, how long they waited, and how much
    memory was not freed."""
    same = sum(is_same(others[seed][1], url) for seed, (_, url) in alone.items())
    waits = [[seconds for seconds, _ in each.values()] for each in (alone, others)]
    median, worst = ([f(each) for each in waits] for f in (statistics.median, max))
    print(f"{len(others)} clients in the attack: {same} got the picture that they got without it")
    for name, (first, second) in (("median", median), ("longest", worst)):
        print(f"{name} wait: {first:.1f} s alone, {second:.1f} s in the attack ({second / first:.1f} times)")
    print(f"memory: {base / 2**20:.0f} MiB before, {after / 2**20:.0f} after ({after / base - 1:+.1%})")


if __name__ == "__main__":
    main()
