"""The judge reads pictures, tasks check their prompts, and a blind viewing is counted."""

import csv
import json
import re
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from scripts.second import blind
from scripts.second.scoring.judge import LOOKS, SETTINGS, Found, Judge, Seen
from scripts.second.scoring.judge_stage import judge_loss, middles
from scripts.second.scoring.tasks import GENEVAL, TASKS, plain, right
from scripts.second.world.nouns import NOUN_INDEX
from scripts.second.world.scene import Scene, is_held_out

BY_NAME = {task.name: task for task in TASKS}


def found(noun: str, x: float = 64, y: float = 64, look: str = "red", covered: bool = False) -> Found:
    return Found(NOUN_INDEX[noun], LOOKS.index(look), x, y, covered)


def picture(*things: Found, setting: str = "white", time: str = "day", style: str = "3d") -> Seen:
    return Seen(list(things), setting, time, style)


def as_asked(scene: Scene) -> Seen:
    """A picture that answers the scene."""
    places = {"left": (-30, 0), "right": (30, 0), "above": (0, -30), "below": (0, 30)}
    x, y = places.get(scene.relation or "", (0, 0))
    things = []
    for number, thing in enumerate(scene.things):
        covered = {"front": number == 1, "behind": number == 0}.get(scene.relation or "", False)
        look = thing.colour or thing.material or "red"
        where = (64 + x / 2, 64 + y / 2) if number == 0 else (64 - x / 2, 64 - y / 2)
        things += [found(thing.noun, *where, look, covered)] * thing.count
    return picture(*things, setting=scene.place or scene.ground, time=scene.time, style=scene.style)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_takes_the_right_answer_and_no_other(task) -> None:
    for scene in task.scenes(12, 98):
        assert is_held_out(scene) == ("held out" in task.name)
        assert task.answers(scene, as_asked(scene))
        assert not task.answers(scene, picture())
        nouns = {thing.noun for thing in scene.things}
        others = task.scenes(40, 98)
        other = next(o for o in others if {t.noun for t in o.things}.isdisjoint(nouns))
        assert not task.answers(scene, as_asked(other))


def test_prompts_are_plain_english() -> None:
    for name, pattern in {"two objects": " and ", "in front, behind": " (in front of|behind) "}.items():
        for scene in BY_NAME[name].scenes(5):
            assert re.search(pattern, plain(scene)), plain(scene)
    assert all("background" in plain(scene) for scene in BY_NAME["colours"].scenes(5))
    assert all("background" not in plain(scene) for scene in BY_NAME["place"].scenes(5))
    assert GENEVAL == 6


def test_counting_rejects_too_many_things() -> None:
    task = BY_NAME["counting"]
    scene = task.scenes(1, 98)[0]
    exact = as_asked(scene)
    assert task.answers(scene, exact)
    assert not task.answers(scene, replace(exact, things=[*exact.things, exact.things[0]]))


def test_the_judge_learns_from_a_batch(world) -> None:
    torch.manual_seed(0)
    judge, batch = Judge(8), world.batch(0, 8)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = judge_loss(judge, batch, np.random.default_rng(0))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    rows, _, down, across = middles(batch.layout)
    assert len(rows) == (batch.layout.noun >= 0).sum()
    assert 0 <= down.min() and across.max() < 16
    answers = right(judge.eval(), batch.images, batch.scenes, BY_NAME["place"])
    assert set(answers) <= {0.0, 1.0}
    assert {scene.place or scene.ground for scene in batch.scenes} <= set(SETTINGS)


def test_a_blind_viewing_is_counted(tmp_path) -> None:
    rng = Random(0)
    scenes = {kind: blind.scenes_of(kind, 3, rng) for kind in blind.COUNTS}
    pictures = {kind: [Image.new("RGB", (128, 128)) for _ in range(3)] for kind in blind.COUNTS}
    blind.make(tmp_path, scenes, pictures, rng)
    assert (tmp_path / "sheet-1.png").exists()
    key = json.loads((tmp_path / blind.KEY).read_text())
    assert sorted(entry["kind"] for entry in key) == sorted([*blind.COUNTS] * 3)

    def answer(texts: list[str], charms: list[str]) -> None:
        rows = [[n + 1, text, charm] for n, (text, charm) in enumerate(zip(texts, charms, strict=True))]
        with (tmp_path / blind.FORM).open("w", newline="") as stream:
            csv.writer(stream).writerows([blind.HEADS, *rows])

    right_for = {"new": True, "render": True, "old": False}
    texts = [" and ".join(e["nouns"]) if right_for[e["kind"]] else "a smear" for e in key]
    answer(texts, ["4" if e["kind"] == "new" else "2" for e in key])
    assert "| new | 3 | 1.00 | 4.00 |" in blind.table(tmp_path)
    assert "| old | 3 | 0.00 | 2.00 |" in blind.table(tmp_path)
    answer(texts, ["6"] * len(key))
    with pytest.raises(ValueError, match=r"picture 1: charm is '6'; must be 1 to 5"):
        blind.table(tmp_path)
