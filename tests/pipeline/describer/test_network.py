"""The network of the describer: shared queries, the cache, the maps."""

import pytest
import torch

from limelight.attention.caches.decoding import KVCache
from limelight.attention.multihead import MultiHeadAttention
from limelight.pipeline.describer.network import GRID, PIXELS, Reader, ReaderConfig
from limelight.pipeline.describer.writing import write


def pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.inference_mode()
def test_two_texts_of_a_picture_are_read_as_each_alone(reader: Reader) -> None:
    images = pictures(2)
    ids = torch.randint(4, 40, (4, 7), generator=torch.Generator().manual_seed(2))
    logits, maps = reader(ids, reader.look(images))
    for row in range(4):
        alone, map = reader(ids[row : row + 1], reader.look(images[row // 2 : row // 2 + 1]))
        torch.testing.assert_close(logits[row : row + 1], alone, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(maps[row : row + 1], map, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_words_with_the_cache_are_those_without(reader: Reader) -> None:
    seen = reader.look(pictures(3))
    begun = torch.tensor([[1], [2], [2]])
    # An end that no word has: all texts are as long as the limit.
    cached, whole = (write(reader, seen, begun, end=-1, limit=12, cached=on) for on in (True, False))
    assert [each.ids for each in cached] == [each.ids for each in whole]
    assert all(len(each.ids) == 12 for each in cached)
    for a, b in zip(cached, whole, strict=True):
        torch.testing.assert_close(a.maps, b.maps, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(a.first, b.first, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_a_word_does_not_see_later_words(reader: Reader) -> None:
    seen = reader.look(pictures(1))
    ids = torch.tensor([[1, 5, 6, 7]])
    changed = torch.tensor([[1, 5, 6, 9]])
    (a, _), (b, _) = reader(ids, seen), reader(changed, seen)
    assert torch.equal(a[:, :3], b[:, :3]) and not torch.equal(a[:, 3], b[:, 3])


@torch.inference_mode()
def test_the_map_of_a_word_is_the_mean_over_heads_of_the_last_cross_attention(reader: Reader) -> None:
    seen = reader.look(pictures(1))
    _, maps = reader(torch.tensor([[1, 5, 6]]), seen)
    assert maps.shape == (1, 3, GRID * GRID)
    torch.testing.assert_close(maps.sum(-1), torch.ones(1, 3))
    # The same from the definition, with hooks that keep the query's input.
    kept: list[torch.Tensor] = []
    cross: MultiHeadAttention = reader.layers[-1].cross
    hook = cross.to_q.register_forward_hook(lambda _, inputs, out: kept.append(out))
    reader(torch.tensor([[1, 5, 6]]), seen)
    hook.remove()
    q = kept[0].unflatten(-1, (4, 8)).transpose(1, 2)
    k = seen.keys_values[-1][0].repeat_interleave(2, 1)
    expected = (q @ k.mT * 8**-0.5).softmax(-1).mean(1)
    torch.testing.assert_close(maps, expected, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_a_cache_continues_where_it_ended(reader: Reader) -> None:
    seen = reader.look(pictures(1))
    ids, cache = torch.tensor([[1, 5, 6, 7]]), KVCache()
    whole, _ = reader(ids, seen)
    first, _ = reader(ids[:, :2], seen, cache=cache)
    rest, _ = reader(ids[:, 2:], seen, cache=cache)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_larger_pictures_have_the_same_grid() -> None:
    reader = Reader(ReaderConfig(num_words=9, side=2 * PIXELS, widths=(8, 8, 16, 16), dim=32)).eval()
    seen = reader.look(torch.zeros(1, 3, 2 * PIXELS, 2 * PIXELS))
    assert seen.keys_values[0][0].shape[-2] == GRID * GRID
    with pytest.raises(ValueError, match="side of the pictures is 96; must be 64 or 128"):
        ReaderConfig(num_words=9, side=96)
