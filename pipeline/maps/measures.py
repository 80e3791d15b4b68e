"""What the maps of words come to in numbers, site by site."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.maps import numbers
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.text.words import Word


class SiteMeasures(ABC):
    """Measures of maps that say, for each site, where some tokens are looked at."""

    __slots__ = ()

    @abstractmethod
    def words(self) -> tuple[Word, ...]:
        """The words of the prompt, in order."""

    @abstractmethod
    def site_maps(self, tokens: Sequence[int]) -> Mapping[str, Float[Tensor, "k h w"]]:
        """Site -> the maps of some tokens there. Raises NoSuchMap where sites are not recorded."""

    def concentration(self, word: str) -> dict[str, float]:
        """Site -> how concentrated a word's map is there: 0 where it is even, 1 where it is one position.

        Raises:
            NoSuchMap: the prompt does not have the word, or sites are not recorded.
        """
        found = self.site_maps(tokens_of(self.words(), word, None))
        return {site: numbers.concentration(maps.sum(0)) for site, maps in found.items()}

    def overlap(self, word: str, other: str) -> dict[str, float]:
        """Site -> what the maps of two words have in common there, 0 to 1.

        Raises:
            NoSuchMap: the prompt does not have a word, or sites are not recorded.
        """
        one, two = (self.site_maps(tokens_of(self.words(), each, None)) for each in (word, other))
        return {site: numbers.overlap(one[site].sum(0), two[site].sum(0)) for site in one}

    def outliers(self, threshold: float = 3.5) -> dict[str, float]:
        """Sites whose words lie elsewhere than at the other sites, with how far; the furthest first.

        Args:
            threshold: robust z-score, in median absolute deviations, above which a site is named.

        Raises:
            NoSuchMap: sites are not recorded.
        """
        tokens = [i for word in self.words() for i in word.tokens]
        return numbers.outliers(self.site_maps(tokens), threshold)
