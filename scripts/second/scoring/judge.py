"""The judge: a detector of things, their looks and their positions. It is trained on composed pictures only,
never on the model's."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from scripts.second.world.layout import PIXELS
from scripts.second.world.nouns import NOUNS
from scripts.second.world.places import GROUNDS, PLACES
from scripts.second.world.vocabulary import COLOURS, MATERIALS, STYLES, TIMES
from scripts.training.scoring.judge import conv_block

CELLS = 16
CELL = PIXELS // CELLS
UNCLEAR = len(NOUNS)
SETTINGS = (*(place.word for place in PLACES), *GROUNDS)
LOOKS = (*COLOURS, *MATERIALS)


@dataclass(frozen=True)
class Found:
    """One thing that the judge sees: its noun, the colour or material that it is most like, its centre in
    pixels, and whether something covers a part of it."""

    noun: int
    look: int
    x: float
    y: float
    is_covered: bool


@dataclass(frozen=True)
class Seen:
    """The judge's reading of a picture; `setting` is a place or the colour of a plain ground."""

    things: list[Found]
    setting: str
    time: str
    style: str


@dataclass(frozen=True)
class Sight:
    """The judge's output, cell by cell and for the whole picture. `noun` has one class more than there are
    nouns: for a thing that nobody could name."""

    centre: Float[Tensor, "b h w"]
    noun: Float[Tensor, "b n h w"]
    look: Float[Tensor, "b l h w"]
    covered: Float[Tensor, "b h w"]
    setting: Float[Tensor, "b s"]
    time: Float[Tensor, "b t"]
    style: Float[Tensor, "b y"]
    features: Float[Tensor, "b c"]


class Judge(nn.Module):
    """Things as points (Zhou et al. 2019, "Objects as Points") on a grid of 16x16 cells."""

    def __init__(self, width: int = 32):
        super().__init__()
        wide = (width, 2 * width, 4 * width, 6 * width)
        self.stem = nn.Sequential(
            conv_block(3, width, 2),
            conv_block(width, wide[1], 2),
            conv_block(wide[1], wide[2], 2),
            conv_block(wide[2], wide[2]),
        )
        self.down = nn.ModuleList([conv_block(wide[2], wide[3], 2), conv_block(wide[3], wide[3], 2)])
        self.middle = conv_block(wide[3], wide[3])
        self.up = nn.ModuleList([conv_block(2 * wide[3], wide[2]), conv_block(2 * wide[2], wide[3])])
        self.sizes = (1, len(NOUNS) + 1, len(LOOKS), 1)
        self.cells = nn.Conv2d(wide[3], sum(self.sizes), 1)
        self.scenes = nn.ModuleDict(
            {
                name: nn.Linear(2 * wide[3], count)
                for name, count in (("setting", len(SETTINGS)), ("time", len(TIMES)), ("style", len(STYLES)))
            }
        )

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Sight:
        """`images` of range -1..1."""
        fine = self.stem(images)
        half = self.down[0](fine)
        coarse = self.middle(self.down[1](half))
        x = self.up[0](torch.cat([F.interpolate(coarse, scale_factor=2), half], 1))
        x = self.up[1](torch.cat([F.interpolate(x, scale_factor=2), fine], 1))
        centre, noun, look, covered = self.cells(x).split(self.sizes, 1)
        features = torch.cat([coarse.mean((2, 3)), x.mean((2, 3))], 1)
        scenes = {name: head(features) for name, head in self.scenes.items()}
        return Sight(centre[:, 0], noun, look, covered[:, 0], **scenes, features=features)

    @torch.no_grad()
    def look(self, images: Float[Tensor, "b 3 h w"]) -> list[Seen]:
        """The things and the setting that can be named in each picture (range -1..1)."""
        sight = self(images)
        peak = sight.centre == F.max_pool2d(sight.centre, 3, 1, 1)
        things: list[list[Found]] = [[] for _ in images]
        for row, top, left in torch.nonzero(peak & (sight.centre > 0)).tolist():
            noun = int(sight.noun[row, :, top, left].argmax())
            if noun != UNCLEAR:
                look = int(sight.look[row, :, top, left].argmax())
                is_covered = bool(sight.covered[row, top, left] > 0)
                things[row].append(Found(noun, look, (left + 0.5) * CELL, (top + 0.5) * CELL, is_covered))
        whole = zip(*(x.argmax(1).tolist() for x in (sight.setting, sight.time, sight.style)), strict=True)
        return [
            Seen(found, SETTINGS[setting], TIMES[time], STYLES[style])
            for found, (setting, time, style) in zip(things, whole, strict=True)
        ]
