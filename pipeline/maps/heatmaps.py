"""Where each word acted: attention maps of one picture, put together from a recording."""

from dataclasses import dataclass, field, replace

from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.maps import numbers
from limelight.pipeline.maps.query import Keys, queried
from limelight.pipeline.maps.selection import NoSuchMap, Reading
from limelight.pipeline.text.words import Word

__all__ = ["HeatMaps", "NoSuchMap", "Word"]


@dataclass(frozen=True, slots=True)
class HeatMaps(Reading):
    """Cross-attention probabilities of one prompt over one picture.

    Every position of the picture divides its attention among all tokens, start, end and padding among them,
    so over all tokens the maps sum to 1. A map is the mean over heads, sites and steps. Sites of the coarsest
    grid are left out where there are finer ones: each of their positions sees much of the picture at once, so
    they tell words apart least.

    With `lossy_cache_interval`, means are over the predictions computed whole; one between them has the maps
    of that whose deep feature it takes.

    Attributes:
        of_negative: the maps of the negative prompt, where they are recorded.
        keys: encodes words that are not in the prompt, where queries are recorded.
    """

    of_negative: "HeatMaps | None" = field(default=None, repr=False)
    keys: Keys | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        height, width = self.size
        words = " ".join(word.text for word in self.words())
        steps = len(self.recording.steps)
        return f"HeatMaps({words!r}, {width}x{height}, {steps} predictions, level {self.recording.level!r})"

    @property
    def normalised(self) -> "HeatMaps":
        """Each map stretched from 0, where it is least, to 1, where it is most: to look at."""
        return replace(self, is_normalised=True)

    @property
    def raw(self) -> "HeatMaps":
        """Probabilities as they are."""
        return replace(self, is_normalised=False)

    @property
    def values(self) -> "HeatMaps":
        """How much tokens contribute instead of how much they are looked at.

        A site's map is the length of the vector that a token adds to the layer's output; a word's, and
        everything put together from several sites, takes each token's share of these lengths.

        Raises:
            NoSuchMap: it is not recorded.
        """
        return self._view("values")

    @property
    def refined(self) -> "HeatMaps":
        """Maps spread by self-attention over positions that look alike, on the grids that have it.

        Raises:
            NoSuchMap: it is not recorded.
        """
        return self._view("refined")

    @property
    def negative(self) -> "HeatMaps":
        """Where the negative prompt acted.

        Raises:
            NoSuchMap: it is not recorded.
        """
        if self.of_negative is None:
            raise NoSuchMap(
                "the negative prompt was not recorded; it needs record_extras=('negative',) and a "
                "guidance_scale above 1"
            )
        ours, theirs = (len(maps.recording.steps) for maps in (self, self.of_negative))
        if self.steps is not None and ours != theirs:
            raise NoSuchMap(
                f"the negative prompt had a part in {theirs} of {ours} predictions; "
                "its maps are of all of them together: ask without step()"
            )
        taken = {name: getattr(self, name) for name in ("steps", "grids", "is_normalised", "end_share")}
        return replace(self.of_negative, **taken)

    def with_end(self, share: float = 1.0) -> "HeatMaps":
        """Words with that share of the end token's probability, divided among them as they divide their own.

        The end token has read the whole prompt, so it can lie on what is drawn and not on the ground behind.
        Padding, which copies it, does not count: it lies on the ground just as much.
        """
        return replace(self, end_share=share)

    def word(self, text: str, occurrence: int | None = None) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to a word, its sub-tokens together.

        Args:
            text: upper and lower case are one; may be several words, which are then taken together.
            occurrence: from 0, which of several equal words; None takes them together.

        Raises:
            NoSuchMap: the prompt does not have it, or not so often.
        """
        return self._scaled(self._words(self._tokens_of(text, occurrence)))

    def token(self, index: int) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to one position of the context; 0 is the start token.

        Raises:
            NoSuchMap: the context is shorter.
        """
        if not 0 <= index < len(self.tokens):
            raise NoSuchMap(f"token is {index}; the context has 0 to {len(self.tokens) - 1}")
        return self._scaled(self._sum([index]))

    def start(self) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to a start token: to no word in particular."""
        return self._scaled(self._sum(self._part("start")))

    def end(self) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to an end token, which has read the whole prompt."""
        return self._scaled(self._sum(self._part("end")))

    def padding(self) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to what fills the context behind the end."""
        return self._scaled(self._sum(self._part("padding")))

    def point(self, x: int, y: int) -> Float[Tensor, "h w"]:
        """Where the position that pixel (x, y) lies in attends to in the picture itself; it sums to 1.

        Raises:
            NoSuchMap: self-attention of that point is not recorded.
        """
        fine = self._resized(self._points()._mean([self._point(x, y)])[0]).clamp(min=0)
        return self._scaled(fine / fine.sum())

    def point_at(self, name: str, x: int, y: int) -> Float[Tensor, "h w"]:
        """As `point`, at one self-attention site, on its own grid.

        Raises:
            NoSuchMap: no such site, or self-attention of that point is not recorded.
        """
        return self._scaled(self._points()._site(name)[self._point(x, y)])

    def query(self, text: str) -> Float[Tensor, "h w"]:
        """The probability that a pixel would attend to words that the prompt need not have.

        They are encoded as a prompt of their own, and share each pixel's attention with its start and end.

        Raises:
            NoSuchMap: no queries were recorded, or none of the steps taken.
        """
        kept = self.recording.queries
        if self.keys is None or not kept:
            raise NoSuchMap("no queries were recorded; they need record_queries=(a prediction, ...)")
        taken = tuple(kept) if self.steps is None else tuple(step for step in self.steps if step in kept)
        if not taken:
            raise NoSuchMap(f"queries were recorded of predictions {', '.join(map(str, kept))} alone")
        tokens, keys = self.keys(text)
        maps = replace(
            self, prompt=text, tokens=tokens, recording=queried(self.recording, taken, keys), steps=None
        )
        return maps.word(text)

    def step(self, index: int) -> "HeatMaps":
        """The maps of one prediction alone.

        Raises:
            NoSuchMap: there were fewer predictions.
        """
        count = len(self.recording.steps)
        if not 0 <= index < count:
            raise NoSuchMap(f"step is {index}; recorded are 0 to {count - 1}")
        return replace(self, steps=(index,))

    def grid(self, side: int) -> "HeatMaps":
        """The maps of the sites with `side` positions along the picture's shorter side.

        Raises:
            NoSuchMap: no site has such a grid.
        """
        chosen = tuple(grid for grid in self._all_grids() if min(grid) == side)
        if not chosen:
            sides = ", ".join(str(min(grid)) for grid in self._all_grids())
            raise NoSuchMap(f"grid is {side}; recorded are {sides}")
        return replace(self, grids=chosen)

    def site(self, name: str) -> Float[Tensor, "m h w"]:
        """All tokens at one site, on its own grid: the mean over heads and predictions.

        Raises:
            NoSuchMap: no such site, or none was recorded by itself.
        """
        maps = self._site(name)
        return self._scaled(maps.mean(0) if self.recording.level == "head" else maps)

    def head(self, name: str, index: int) -> Float[Tensor, "m h w"]:
        """All tokens in one head of a site, on its own grid: the mean over predictions.

        Raises:
            NoSuchMap: no such site or head, or heads were not recorded.
        """
        if self.recording.level != "head":
            raise NoSuchMap(f"recorded at level {self.recording.level!r}; heads need record='head'")
        maps = self._site(name)
        if not 0 <= index < len(maps):
            raise NoSuchMap(f"head is {index}; {name} has 0 to {len(maps) - 1}")
        return self._scaled(maps[index])

    def sites(self) -> tuple[str, ...]:
        """Names of the sites that are recorded by themselves, in the order in which they run."""
        return tuple(self.recording.sums)

    def concentration(self, word: str) -> dict[str, float]:
        """Site -> how concentrated a word's map is there: 0 where it is even, 1 where it is one position.

        Raises:
            NoSuchMap: the prompt does not have the word, or sites are not recorded.
        """
        return {site: numbers.concentration(map) for site, map in self._per_site(word).items()}

    def overlap(self, word: str, other: str) -> dict[str, float]:
        """Site -> what the maps of two words have in common there, 0 to 1.

        Raises:
            NoSuchMap: the prompt does not have a word, or sites are not recorded.
        """
        one, two = self._per_site(word), self._per_site(other)
        return {site: numbers.overlap(one[site], two[site]) for site in one}

    def outliers(self, threshold: float = 3.5) -> dict[str, float]:
        """Sites whose words lie elsewhere than at the other sites, with how far; the furthest first.

        Args:
            threshold: robust z-score, in median absolute deviations, above which a site is named.

        Raises:
            NoSuchMap: sites are not recorded.
        """
        self._check_sites()
        index = [i for word in self.words() for i in word.tokens]
        return numbers.outliers({site: self.raw.site(site)[index] for site in self.sites()}, threshold)

    def at(self, x: int, y: int) -> dict[str, float]:
        """How one pixel shares its attention among the words, the largest first.

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

    def _per_site(self, word: str) -> dict[str, Float[Tensor, "h w"]]:
        self._check_sites()
        index = self._tokens_of(word, None)
        return {site: self.raw.site(site)[index].sum(0) for site in self.sites()}

    def _view(self, name: str) -> "HeatMaps":
        if name not in self.recording.views:
            raise NoSuchMap(f"{name} is not recorded; it needs record_extras=({name!r},)")
        view = replace(self, recording=self.recording.views[name])
        if missing := set(self.grids or ()) - set(view._all_grids()):
            raise NoSuchMap(f"grid is {min(missing)}; {name} is recorded on {view._all_grids()}")
        return view

    def _points(self) -> "HeatMaps":
        if "points" not in self.recording.views:
            raise NoSuchMap("no points were recorded; they need record_points=((x, y), ...)")
        return replace(self, recording=self.recording.views["points"])

    def _point(self, x: int, y: int) -> int:
        height, width = self.size
        points = [(int(px * width), int(py * height)) for px, py in self.recording.extras.points]
        if (x, y) not in points:
            names = ", ".join(map(str, points))
            raise NoSuchMap(f"self-attention of the point ({x}, {y}) is not recorded; that of {names} is")
        return points.index((x, y))
