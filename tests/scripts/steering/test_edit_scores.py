"""Scores of edits, and a run of them that goes on where it was stopped."""

from pathlib import Path

import numpy as np
import pytest

from limelight.pipeline import TextToImagePipeline
from scripts.second.scoring.judge import Judge
from scripts.second.training.data import World
from scripts.second.world.layout import PIXELS
from scripts.second.world.nouns import CORE
from scripts.second.world.sampling import Mixture
from scripts.second.world.tiles import ARTS, TILE, save_tiles
from scripts.steering import evaluate_edits
from scripts.steering.edit_cases import Case, cases, composed
from scripts.steering.edit_scores import Edited, Kept, Outcome, by_kind, decibels, scores


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose things are squares."""
    tiles = np.zeros((len(ARTS), CORE, TILE, TILE, 4), np.uint8)
    tiles[..., 8:, 8:-8, :] = np.arange(CORE, dtype=np.uint8)[:, None, None, None] + 100
    tiles[..., 8:, 8:-8, 3] = 255
    folder = tmp_path_factory.mktemp("squares")
    save_tiles(tiles, folder)
    return World(folder, Mixture(), 0)


DONE = Outcome(True, (True, False), True, 0.01)
NOT = Outcome(False, (), None, None)


def edited(seed: int, kind: str, outcome: Outcome) -> Edited:
    return Edited(seed, kind, {"edit": outcome, "other": DONE}, base_psnr=28.5)


EDITS = [edited(1, "noun", DONE), edited(2, "ground", NOT), edited(3, "noun", NOT)]


def test_scores_are_means_over_what_could_be_seen() -> None:
    found = scores(EDITS)["edit"]
    assert found.done.tolist() == [1, 0, 0] and found.others == [True, False] and found.ground == [True]
    assert found.balance == pytest.approx((1 / 3 + 1 / 2 + 1) / 3)
    assert found.cells()[2:] == ["0.50 of 2", "1.00 of 1", "20.0 dB", "20.0 dB"]
    assert by_kind(EDITS, "edit") == {"noun": 0.5, "ground": 0.0}
    assert decibels(0) == 120


def test_a_file_of_outcomes_is_read_again_and_that_of_another_run_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    Kept(path, {"seed": 1}).add(EDITS[:2])
    again = Kept(path, {"seed": 1})
    assert again.edits == EDITS[:2]
    again.add(EDITS[2:])
    assert Kept(path, {"seed": 1}).edits == EDITS
    with pytest.raises(SystemExit, match="of another run"):
        Kept(path, {"seed": 2})


def test_composed_pictures_are_the_same_for_their_seeds(world: World) -> None:
    asked = cases(5, 3)
    first, again = composed(asked, world), composed(asked[2:], world)
    assert [each.size for each in first] == 5 * [(PIXELS, PIXELS)]
    assert [each.tobytes() for each in first[2:]] == [each.tobytes() for each in again]
    assert len({each.tobytes() for each in first}) == 5


@pytest.mark.long
def test_a_run_that_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate_edits, "CHUNK", 2)
    monkeypatch.setattr(evaluate_edits, "load_judge", lambda run: Judge().eval())
    exact = TextToImagePipeline.from_pretrained("default", device="cpu", exact=True)  # measures nothing first
    monkeypatch.setattr(evaluate_edits, "load", lambda name: exact)
    drawn: list[int] = []
    outcomes = evaluate_edits.outcomes

    def counted(pipe: TextToImagePipeline, judge: Judge, asked: list[Case], *rest: object) -> list[Edited]:
        drawn.append(len(asked))
        return outcomes(pipe, judge, asked, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluate_edits, "outcomes", counted)
    line = ["evaluate_edits", "--steps", "2", "--ways", "edit with", "--scores", str(tmp_path / "a.jsonl")]
    line += ["--real", "drawn"]
    for count in ("2", "4"):
        monkeypatch.setattr("sys.argv", [*line, "--edits", count])
        assert evaluate_edits.main() == 0
    assert drawn == [2, 2]
    said = capsys.readouterr()
    assert "4 of 4 edits, " in said.err
    assert "| edit with blend |" in said.out and "| weight 0 |" not in said.out
    assert "an image comes back at" in said.out
