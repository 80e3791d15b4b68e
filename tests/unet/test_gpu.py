"""On a GPU: every backend at the sites that it accepts, in every dtype and memory format."""

import pytest
import torch

from limelight.attention import AttentionRuntime, backends, get
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Recording
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import read_config

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CONFIG = {  # head dims of SD1: 40, 80, 160
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3,
    "up_block_types": ["CrossAttnUpBlock2D"] * 3,
    "layers_per_block": 1,
    "cross_attention_dim": 768,
}


@pytest.fixture(scope="module")
def unet() -> UNet:
    torch.manual_seed(0)
    return UNet(read_config(CONFIG)).eval()


@pytest.fixture(scope="module")
def arguments() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return {
        "x": torch.randn(2, 4, 24, 40, generator=random),
        "timesteps": torch.tensor([981, 3]),
        "context": torch.randn(2, 77, 768, generator=random),
    }


@pytest.fixture(scope="module")
def exact(unet, arguments) -> torch.Tensor:
    """The prediction in float64 on the CPU."""
    doubled = {name: t if name == "timesteps" else t.double() for name, t in arguments.items()}
    with torch.inference_mode():
        prediction = unet.double()(**doubled)
    unet.float()
    return prediction


def on_gpu(unet: UNet, arguments: dict, dtype: torch.dtype) -> tuple[UNet, dict]:
    moved = {n: t.cuda() if n == "timesteps" else t.to("cuda", dtype) for n, t in arguments.items()}
    with torch.device("cuda"):
        copy = UNet(unet.config)
    copy.load_state_dict(unet.state_dict())
    return copy.to(dtype).eval(), moved


@torch.inference_mode()
def predict(unet: UNet, arguments: dict, name: str, recorder: RowRecorder | None = None) -> torch.Tensor:
    """By the backend `name` where it accepts, and by `math` elsewhere."""
    specs = unet.attention_specs(24, 40, 77, batch=2)
    plan = {site: get("math" if get(name).refusals(spec) else name) for site, spec in specs.items()}
    means = recorder if recorder is not None and recorder.takes_means else None
    return unet(**arguments, attention=AttentionRuntime(plan, recorder, means=means))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", [backend.name for backend in backends])
def test_every_backend_that_accepts_is_as_close_as_the_definition(
    unet, arguments, exact, name, dtype, channels_last
):
    gpu, moved = on_gpu(unet, arguments, dtype)
    if channels_last:
        gpu.to(memory_format=torch.channels_last)
        moved["x"] = moved["x"].to(memory_format=torch.channels_last)
    reasons = [get(name).refusals(spec) for spec in gpu.attention_specs(24, 40, 77, batch=2).values()]
    if all(reasons):
        pytest.skip("; ".join(sorted({reason for each in reasons for reason in each})))
    plain = (predict(gpu, moved, "math").cpu() - exact).abs().max()
    ours = (predict(gpu, moved, name).cpu() - exact).abs().max()
    assert ours <= 2 * plain


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_maps_that_the_kernel_writes_do_not_change_the_prediction(unet, arguments, dtype):
    if reason := get("triton").missing():
        pytest.skip(reason)
    gpu, moved = on_gpu(unet, arguments, dtype)
    of_kernel, of_keys = Recording("site", 77), Recording("site", 77)
    one, other = RowRecorder([None, of_kernel]), RowRecorder([None, of_keys])
    other.takes_means = False
    plain = predict(gpu, moved, "triton")
    for recorder in (one, other):
        assert torch.equal(predict(gpu, moved, "triton", recorder), plain)
        recorder.commit()
    torch.testing.assert_close(of_kernel.sums, of_keys.sums, atol=1e-4, rtol=0)


def test_specs_say_the_compute_capability(unet, arguments):
    gpu, _ = on_gpu(unet, arguments, torch.float16)
    spec = next(iter(gpu.attention_specs(24, 40, 77).values()))
    assert (spec.device, spec.compute_capability) == ("cuda", torch.cuda.get_device_capability())
