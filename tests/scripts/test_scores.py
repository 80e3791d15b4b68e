"""The judge's marks: right answers for each task, the intervals, the Frechet distance."""

import numpy as np
import pytest
import torch

from scripts.second.scoring.statistics import frechet, interval
from scripts.training.scoring.judge import Found, Judge, keep_judge, trained_judge
from scripts.training.scoring.judge_stage import centres, judge_loss
from scripts.training.scoring.scores import TASKS, plain
from scripts.training.tools import checkpoint
from scripts.world.captions import parse
from scripts.world.composer import PIXELS
from scripts.world.scene import Scene, Thing, is_held_out
from scripts.world.vocabulary import COLOURS, NOUN_INDEX

TASK = {task.name: task for task in TASKS}


def found(noun: str, colour: str = "red", x: float = 32, y: float = 32) -> Found:
    return Found(NOUN_INDEX[noun], list(COLOURS).index(colour), x, y)


@pytest.mark.parametrize(
    ("task", "scene", "seen", "answer"),
    [
        ("single object", Scene((Thing("cat"),)), [found("cat")], True),
        ("single object", Scene((Thing("cat"),)), [found("dog")], False),
        ("single object", Scene((Thing("cat"),)), [], False),
        ("colours", Scene((Thing("cat", "blue"),)), [found("cat", "blue")], True),
        ("colours", Scene((Thing("cat", "blue"),)), [found("cat", "red")], False),
        ("counting", Scene((Thing("cat", count=3),)), [found("cat")] * 3, True),
        ("counting", Scene((Thing("cat", count=3),)), [found("cat")] * 4, False),
        ("counting", Scene((Thing("cat", count=3),)), [found("cat")] * 3 + [found("dog")], False),
        ("position", Scene((Thing("cat"), Thing("dog")), "left"), [found("cat", x=16), found("dog")], True),
        ("position", Scene((Thing("cat"), Thing("dog")), "left"), [found("cat", x=48), found("dog")], False),
        ("position", Scene((Thing("cat"), Thing("dog")), "above"), [found("cat", y=9), found("dog")], True),
        ("position", Scene((Thing("cat"), Thing("dog")), "above"), [found("cat", x=9), found("dog")], False),
        (
            "attribute binding",
            Scene((Thing("cat", "red"), Thing("dog", "blue"))),
            [found("cat", "red"), found("dog", "blue")],
            True,
        ),
        (
            "attribute binding",
            Scene((Thing("cat", "red"), Thing("dog", "blue"))),
            [found("cat", "blue"), found("dog", "red")],
            False,
        ),
    ],
)
def test_an_answer(task: str, scene: Scene, seen: list[Found], answer: bool) -> None:
    assert TASK[task].answers(scene, seen) is answer


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_prompts_say_their_scenes(task) -> None:
    scenes = task.scenes(20)
    assert scenes == task.scenes(20)
    assert [parse(plain(scene)) for scene in scenes] == scenes
    assert all(is_held_out(scene) == ("held out" in task.name) for scene in scenes)


def test_the_judge_finds_what_it_is_shown(world) -> None:
    """A minute of training is not for a test; that the loss falls and points come back as pixels is."""
    torch.manual_seed(0)
    judge = Judge(width=16)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=3e-3)
    batch = world.compose(TASK["colours"].scenes(16), np.random.default_rng(0))
    losses = []
    for step in range(60):
        loss = judge_loss(judge, batch, np.random.default_rng(step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    rows, _, down, across = centres(batch.layout)
    things, _ = judge.eval().look(batch.images)
    near = [
        any(abs(f.x - 4 * x - 2) <= 4 and abs(f.y - 4 * y - 2) <= 4 for f in things[row])
        for row, y, x in zip(rows.tolist(), down.tolist(), across.tolist(), strict=True)
    ]
    assert np.mean(near) > 0.9
    assert all(0 < f.x < PIXELS and 0 < f.y < PIXELS for row in things for f in row)


def test_the_distance_of_feature_clouds() -> None:
    random = torch.Generator().manual_seed(0)
    a = torch.randn(4000, 4, generator=random)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    moved = a * torch.tensor([1.0, 1.0, 1.0, 3.0]) + torch.tensor([2.0, 0, 0, 0])
    assert frechet(a, moved) == pytest.approx(2**2 + (3 - 1) ** 2, rel=0.1)


def test_intervals_draw_prompts_not_pictures() -> None:
    """Four equal pictures of a prompt tell no more than one."""
    answers = np.array([0.0, 1.0] * 50)
    alone = interval(answers[:, None], np.random.default_rng(0))
    repeated = interval(np.repeat(answers[:, None], 4, 1), np.random.default_rng(0))
    assert alone == repeated
    assert alone == pytest.approx((0.4, 0.6), abs=0.03)


def test_a_judge_is_kept(tmp_path, monkeypatch) -> None:
    kept = trained_judge().state_dict()
    for use in (keep_judge, trained_judge):
        with pytest.raises(FileNotFoundError, match=r"judge.pt does not exist; make it with stage `judge`"):
            use(tmp_path)
    own = {name: x + 0.5 if x.is_floating_point() else x for name, x in kept.items()}
    checkpoint.save({"step": 0, "optimizers": None, "modules": {"judge": own}}, tmp_path / "judge.pt")
    assert trained_judge(tmp_path).ground.bias.equal(own["ground.bias"])
    monkeypatch.setattr("scripts.training.scoring.judge.KEPT", tmp_path / "judge.safetensors")
    keep_judge(tmp_path)
    torch.testing.assert_close(trained_judge().ground.bias, own["ground.bias"], atol=1e-3, rtol=1e-3)
