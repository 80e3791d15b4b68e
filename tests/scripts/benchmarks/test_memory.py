"""A process that measures its own memory."""

import pytest

from scripts.benchmarks import memory
from scripts.benchmarks.tools.process import last_line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A U-Net that is small and reads what SD1.5's reads."""
    from diffusers import UNet2DConditionModel

    where = tmp_path_factory.mktemp("unet")
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=768,
    )
    unet.save_pretrained(where)
    return str(where)


def test_a_process_tells_its_memory(folder: str) -> None:
    found = last_line(["-m", "scripts.benchmarks.memory_child", "optimized", folder, "64", "1"])
    assert set(found) == {"peak", "filters", "own"}
    assert 2**20 < found["peak"] < 2**30 and found["filters"] > 0 and 0 <= found["own"] < found["peak"]


def test_a_process_that_timed_convolutions_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    states, answers = iter([b"", b"new", b"new", b"new"]), iter([{"peak": 2}, {"peak": 1}])
    monkeypatch.setattr(memory, "_timings", lambda: next(states))
    monkeypatch.setattr(memory.process, "last_line", lambda child: next(answers))
    assert memory._settled(()) == {"peak": 1}
