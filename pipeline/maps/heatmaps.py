"""Heat maps of the words of one picture, combined from a recording of attention."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from textwrap import shorten

from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.recording import Grid, Point, Recording
from limelight.pipeline.maps import numbers
from limelight.pipeline.maps.drawer import Drawer, Drawn
from limelight.pipeline.maps.layers import Layer, LayerKind, grid_layers, head_layers, step_layers
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.maps.measures import SiteMeasures
from limelight.pipeline.maps.points import point_index, point_maps
from limelight.pipeline.maps.query import Keys, queried
from limelight.pipeline.maps.selection import NoSuchMap, Selection
from limelight.pipeline.text.clip_encoder import Token
from limelight.pipeline.text.encoder import Part, Word, parts_of, words_of


@dataclass(frozen=True, slots=True)
class HeatMaps(SiteMeasures, Drawn):
    """Cross-attention probabilities of one prompt over one picture.

    Every position of the picture distributes its attention over all tokens, including start, end and padding,
    so the maps of all tokens sum to 1. A map is the mean over the heads and predictions that measured best
    for the model (`pipeline.models.best_maps`); `all` takes every head and prediction.

    With `lossy_cache_interval`, means are over the predictions that were computed in full. A prediction in
    between has the maps of the one whose deep feature it reuses.

    Attributes:
        size: height and width of the picture in pixels, and of the maps.
        selection: the recording, and the steps and grids of it that are combined.
        is_normalised: whether each map is stretched to the range from 0 to 1.
        end_share: the fraction of the end token's probability that words receive.
        of_negative: the maps of the negative prompt, if recorded.
        keys: encodes words that are not in the prompt, if queries are recorded.
        drawer: draws maps over the picture, once it is finished.
    """

    prompt: str
    tokens: tuple[Token, ...]
    size: tuple[int, int]
    selection: Selection
    is_normalised: bool = False
    end_share: float = 0.0
    of_negative: "HeatMaps | None" = field(default=None, repr=False)
    keys: Keys | None = field(default=None, repr=False, compare=False)
    drawer: Drawer | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        words, size = " ".join(word.text for word in self.words()), f"{self.size[1]}x{self.size[0]}"
        return f"HeatMaps({shorten(words, 60)!r}, {size}, {self.num_steps} predictions)"

    @property
    def recording(self) -> Recording:
        """The recording that the maps are computed from."""
        return self.selection.recording

    @property
    def num_steps(self) -> int:
        """How many predictions are recorded so far."""
        return len(self.recording.steps)

    @property
    def normalised(self) -> "HeatMaps":
        """The maps for viewing: each is stretched so that its minimum is 0 and its maximum 1."""
        return replace(self, is_normalised=True)

    @property
    def raw(self) -> "HeatMaps":
        """Probabilities as they are."""
        return replace(self, is_normalised=False)

    @property
    def values(self) -> "HeatMaps":
        """Maps of the tokens' contributions instead of their probabilities.

        The map of a site is the length of the vector that a token adds to the layer's output. Maps of words,
        and means over sites, take each token's fraction of the sum of these lengths.

        Raises:
            NoSuchMap: contributions are not recorded.
        """
        return self._view("values")

    @property
    def refined(self) -> "HeatMaps":
        """Maps spread by self-attention over similar positions. Raises NoSuchMap if not recorded."""
        return self._view("refined")

    @property
    def negative(self) -> "HeatMaps":
        """The maps of the negative prompt. Raises NoSuchMap if it is not recorded."""
        their = self.of_negative
        if their is None:
            raise NoSuchMap(
                "the negative prompt was not recorded; it needs record_extras=('negative',) and a "
                "guidance_scale above 1"
            )
        ours = replace(self, prompt=their.prompt, tokens=their.tokens, of_negative=None, keys=None)
        return replace(ours, selection=self.selection.of_negative(their.recording))

    def with_end(self, share: float = 1.0) -> "HeatMaps":
        """Adds a fraction of the end token's probability to the words, in proportion to their own
        probabilities.

        The end token encodes the whole prompt, so its map often lies on the objects and not on the
        background. Padding tokens are left out, because their maps cover the background as well.
        """
        return replace(self, end_share=share)

    def words(self) -> tuple[Word, ...]:
        """The words of the prompt, in order; tokens belong to the word that contains their characters."""
        return words_of(self.prompt, self.tokens)

    def all(self) -> "HeatMaps":
        """The mean over all heads and predictions, of all grids but the coarsest, which is the least
        sharp."""
        return replace(self, selection=self.selection.all())

    def taken_grids(self) -> tuple[Grid, ...]:
        """The grids that are combined in a map, the finest first."""
        return self.selection.taken_grids()

    def probabilities(self) -> Float[Tensor, "m h w"]:
        """The maps of all tokens, on the finest of the combined grids."""
        return self.selection.mean(range(len(self.tokens)))

    def word(self, text: str, occurrence: int | None = None) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to a word: the sum over its tokens.

        Args:
            text: one word or several, whose maps are added; case is ignored.
            occurrence: selects one of several equal words, from 0; None adds them.

        Raises:
            NoSuchMap: the prompt does not contain the word, or not that often.
        """
        return self._scaled(self._words(tokens_of(self.words(), text, occurrence)))

    def token(self, index: int) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to one token of the context; 0 is the start token. Raises
        NoSuchMap if the context is shorter."""
        if not 0 <= index < len(self.tokens):
            raise NoSuchMap(f"token is {index}; the context has 0 to {len(self.tokens) - 1}")
        return self._scaled(self._sum([index]))

    def start(self) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to a start token, which stands for no word."""
        return self._scaled(self._sum(self._part("start")))

    def end(self) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to an end token, which encodes the whole prompt."""
        return self._scaled(self._sum(self._part("end")))

    def padding(self) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to the padding after the end token."""
        return self._scaled(self._sum(self._part("padding")))

    def point(self, x: int, y: int) -> Float[Tensor, "h w"]:
        """The self-attention of pixel (x, y): where its position attends in the picture. It sums to 1.

        Raises:
            NoSuchMap: self-attention of that point is not recorded.
        """
        points, index = self._point(x, y)
        fine = numbers.resized(points.mean([index])[0], self.size).clamp(min=0)
        return self._scaled(fine / fine.sum())

    def point_at(self, name: str, x: int, y: int) -> Float[Tensor, "h w"]:
        """As `point`, at one self-attention site, on its own grid. Raises NoSuchMap also for unknown
        sites."""
        points, index = self._point(x, y)
        return self._scaled(points.site(name)[index])

    def points(self) -> dict[Point, Float[Tensor, "h w"]]:
        """Point, as fractions of width and height -> its self-attention so far, on the finest grid."""
        return point_maps(self.recording)

    def query(self, text: str) -> Float[Tensor, "h w"]:
        """The probability that a pixel would attend to any words. They are encoded as a prompt of their own,
        and share each pixel's attention with the start and end tokens of that prompt.

        Raises:
            NoSuchMap: no queries were recorded, or none for the selected steps.
        """
        steps = self.selection.queried_steps()
        assert self.keys is not None  # given whenever queries are recorded
        tokens, keys = self.keys(text)
        best = replace(self.selection.best, last=1.0)  # of the predictions whose queries there are
        recording = queried(self.recording, steps, keys)
        of_text = replace(self.selection, recording=recording, best=best, steps=None)
        return replace(self, prompt=text, tokens=tokens, selection=of_text).word(text)

    def step(self, index: int) -> "HeatMaps":
        """The maps of one prediction. Raises NoSuchMap if there were fewer."""
        return replace(self, selection=self.selection.step(index))

    def grid(self, side: int) -> "HeatMaps":
        """The maps of the sites with `side` positions along the shorter side. Raises NoSuchMap if none
        has."""
        return replace(self, selection=self.selection.grid(side))

    def site(self, name: str) -> Float[Tensor, "m h w"]:
        """All tokens at one site, on its own grid: the mean over heads and predictions.

        Raises:
            NoSuchMap: there is no such site, or sites are not recorded separately.
        """
        maps = self.selection.site(name)
        return self._scaled(maps.mean(0) if self.recording.level == "head" else maps)

    def head(self, name: str, index: int) -> Float[Tensor, "m h w"]:
        """As `site`, for one head. Raises NoSuchMap also if heads are not recorded."""
        return self._scaled(self.selection.head(name, index))

    def sites(self) -> tuple[str, ...]:
        """Names of the sites that are recorded separately, in the order in which they run."""
        return tuple(self.recording.sums)

    def layers(self, kind: LayerKind = "grid", steps: Sequence[int] | None = None) -> Iterator[Layer]:
        """All recorded layers of one kind: grids, sites by head, or sites by prediction.

        Args:
            steps: the predictions for which a grid has frames; None means all.
        """
        if kind == "grid":
            return grid_layers(self.recording, range(self.num_steps) if steps is None else steps)
        return head_layers(self.recording) if kind == "heads" else step_layers(self.recording)

    def views(self) -> "dict[str, HeatMaps]":
        """The other types of maps that are recorded so far: `values`, `refined`, `negative`."""
        recorded = self.recording.views
        names: list[str] = [x for x in ("values", "refined") if x in recorded and recorded[x].steps]
        found = {name: self._view(name) for name in names}
        return found if self.of_negative is None else found | {"negative": self.negative}

    def at(self, x: int, y: int) -> dict[str, float]:
        """Word -> the probability that one pixel attends to it, the largest first.

        Raises:
            NoSuchMap: the pixel lies outside the picture.
        """
        height, width = self.size
        if not (0 <= x < width and 0 <= y < height):
            raise NoSuchMap(f"the point is ({x}, {y}); the picture is {width}x{height}")
        shares: dict[str, float] = {}
        for word in self.words():
            shares[word.text] = shares.get(word.text, 0.0) + float(self._words(word.tokens)[y, x])
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def site_maps(self, tokens: Sequence[int]) -> dict[str, Float[Tensor, "k h w"]]:
        """Site -> the maps of some tokens there. Raises NoSuchMap if sites are not recorded."""
        self.selection.check_sites()
        return {site: self.raw.site(site)[list(tokens)] for site in self.sites()}

    def _view(self, name: str) -> "HeatMaps":
        return replace(self, selection=self.selection.view(name))

    def _point(self, x: int, y: int) -> tuple[Selection, int]:
        index = point_index(self.recording, self.size, x, y)
        return self.selection.view("points"), index

    def _part(self, part: Part) -> list[int]:
        return [i for i, each in enumerate(parts_of(self.tokens)) if each == part]

    def _sum(self, tokens: Sequence[int]) -> Float[Tensor, "h w"]:
        return numbers.resized(self.selection.mean(tokens).sum(0), self.size).clamp(0, 1)

    def _words(self, tokens: Sequence[int]) -> Float[Tensor, "h w"]:
        """As `_sum`, with the fraction of the end token's probability that words receive."""
        if not self.end_share:
            return self._sum(tokens)
        maps = self.probabilities()
        others = [i for word in self.words() for i in word.tokens]
        shared = numbers.with_share(maps, list(tokens), others, self._part("end"), self.end_share)
        return numbers.resized(shared, self.size).clamp(0, 1)

    def _scaled(self, map: Tensor) -> Tensor:
        return numbers.stretched(map) if self.is_normalised else map
