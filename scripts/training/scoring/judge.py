"""The judge: a detector of things, their colours and the ground. It is trained on composed pictures only,
never on the model's."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scripts.training.tools import checkpoint
from scripts.world.composer import PIXELS
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUNS

CELLS = 16
CELL = PIXELS // CELLS
UNCLEAR = len(NOUNS)
KEPT = Path(__file__).with_name("judge.safetensors")


@dataclass(frozen=True)
class Found:
    """One thing that the judge sees; its centre `x`, `y` in pixels."""

    noun: int
    colour: int
    x: float
    y: float


@dataclass(frozen=True)
class Sight:
    """The judge's output, cell by cell. `noun` has one class more than there are nouns: for a thing that
    nobody could name."""

    centre: Float[Tensor, "b h w"]
    noun: Float[Tensor, "b k h w"]
    colour: Float[Tensor, "b k h w"]
    ground: Float[Tensor, "b k"]
    features: Float[Tensor, "b c"]


class Judge(nn.Module):
    """Things as points (Zhou et al. 2019, "Objects as Points") on a grid of 16x16 cells."""

    def __init__(self, width: int = 48):
        super().__init__()
        self.stem = nn.Sequential(
            conv_block(3, width // 2, 2), conv_block(width // 2, width, 2), conv_block(width, width)
        )
        self.down = nn.ModuleList([conv_block(width, 2 * width, 2), conv_block(2 * width, 4 * width, 2)])
        self.middle = conv_block(4 * width, 4 * width)
        self.up = nn.ModuleList([conv_block(6 * width, 2 * width), conv_block(3 * width, 2 * width)])
        self.sizes = (1, len(NOUNS) + 1, len(COLOURS))
        self.cells = nn.Conv2d(2 * width, sum(self.sizes), 1)
        self.ground = nn.Linear(4 * width, len(BACKGROUNDS))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Sight:
        """`images` of range -1..1."""
        fine = self.stem(images)
        half = self.down[0](fine)
        coarse = self.middle(self.down[1](half))
        x = self.up[0](torch.cat([F.interpolate(coarse, scale_factor=2), half], 1))
        x = self.up[1](torch.cat([F.interpolate(x, scale_factor=2), fine], 1))
        centre, noun, colour = self.cells(x).split(self.sizes, 1)
        features = coarse.mean((2, 3))
        return Sight(centre[:, 0], noun, colour, self.ground(features), features)

    @torch.no_grad()
    def look(self, images: Float[Tensor, "b 3 h w"]) -> tuple[list[list[Found]], list[int]]:
        """The things that can be named in every picture (range -1..1), and the index of its ground."""
        sight = self(images)
        peak = sight.centre == F.max_pool2d(sight.centre, 3, 1, 1)
        rows, tops, lefts = torch.nonzero(peak & (sight.centre > 0), as_tuple=True)
        nouns = sight.noun[rows, :, tops, lefts].argmax(1).tolist()
        colours = sight.colour[rows, :, tops, lefts].argmax(1).tolist()
        found: list[list[Found]] = [[] for _ in images]
        for row, top, left, noun, colour in zip(
            rows.tolist(), tops.tolist(), lefts.tolist(), nouns, colours, strict=True
        ):
            if noun != UNCLEAR:
                found[row].append(Found(noun, colour, (left + 0.5) * CELL, (top + 0.5) * CELL))
        return found, sight.ground.argmax(1).tolist()


def conv_block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, batch normalisation and SiLU."""
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.SiLU())


def trained_judge(run: Path | None = None) -> Judge:
    """The judge of `run`, or if that is None the one that is stored next to this file.

    Raises:
        FileNotFoundError: stage `judge` has not run.
    """
    judge = Judge()
    judge.load_state_dict(load_file(KEPT) if run is None else judge_weights(run))
    return judge.eval()


def keep_judge(run: Path) -> None:
    """Stores the judge of `run` next to this file, its weights in float16.

    Raises:
        FileNotFoundError: stage `judge` has not run.
    """
    weights = judge_weights(run).items()
    save_file({name: x.half() if x.is_floating_point() else x for name, x in weights}, KEPT)


def judge_weights(run: Path) -> dict[str, Tensor]:
    """The weights that stage `judge` left in `run`.

    Raises:
        FileNotFoundError: stage `judge` has not run.
    """
    state = checkpoint.load(run / "judge.pt")
    if state is None:
        raise FileNotFoundError(f"{run / 'judge.pt'} does not exist; make it with stage `judge`")
    return state["modules"]["judge"]
