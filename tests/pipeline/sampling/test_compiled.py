"""A compiled U-Net: the same pictures and maps, and one graph for each bucket."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from limelight.attention import split_rows
from limelight.attention.recording.effective import probabilities
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Recording
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import UsageError
from limelight.pipeline.models.model import Model
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.compiled import Graphs, Tape, aligned, bucket, options_of
from limelight.pipeline.sampling.engine import Engine
from limelight.unet import UNet

pytestmark = pytest.mark.compile


@pytest.fixture(autouse=True)
def no_shape_checks(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("shape checks do not compile; run without --jaxtyping-packages")
    torch._dynamo.reset()


@pytest.fixture
def model(sd_folder: Path) -> Model:
    made = TextToImagePipeline.from_pretrained(sd_folder, device="cpu").model
    return Model(
        name=made.name,
        family=made.family,
        unet=UNet.from_pretrained(sd_folder / "unet"),  # without the parts for CPUs
        vae=made.vae,
        text=made.text,
        scheduler_config=made.scheduler_config,
        hash=made.hash,
    )


class Drawn:
    """Draws with the U-Net as it is and compiled, and counts graphs."""

    def __init__(self, model: Model, **options: object) -> None:
        self.counter = CompileCounterWithBackend("eager")
        graphs = Graphs(model.unet, 8, **({"backend": self.counter} | options))
        self.plain, self.compiled = Engine(model), Engine(model, graphs=graphs)

    def graphs(self, *requests: GenerationRequest) -> int:
        """How many graphs there are after these requests, which are drawn alike by both."""
        for one, other in zip(
            *(results(each, requests) for each in (self.plain, self.compiled)), strict=True
        ):
            pixels = [np.asarray(result.image, dtype=int) for result in (one, other)]
            assert np.abs(pixels[0] - pixels[1]).max() <= 1
            assert (one.maps is None) == (other.maps is None)
            if one.maps is not None:
                assert_alike(one.maps.recording, other.maps.recording)
        return self.counter.frame_count


def results(engine: Engine, requests: Sequence[GenerationRequest]) -> list[Result]:
    found = {step.id: step.result for step in engine.run(requests) if step.result is not None}
    return [found[i] for i in range(len(requests))]


def assert_alike(one: Recording, other: Recording) -> None:
    torch.testing.assert_close(one.totals, other.totals, atol=1e-5, rtol=0)
    torch.testing.assert_close(one.sums, other.sums, atol=1e-5, rtol=0)
    assert len(one.steps) == len(other.steps)
    assert one.queries.keys() == other.queries.keys()
    for index, sites in one.queries.items():
        torch.testing.assert_close(sites, other.queries[index], atol=1e-5, rtol=1e-5)
    assert one.views.keys() == other.views.keys()
    for name, view in one.views.items():
        assert_alike(view, other.views[name])


def ask(prompt: str = "a red apple", **fields: object) -> GenerationRequest:
    return GenerationRequest(**({"prompt": prompt, "seed": 3, "num_steps": 2} | fields))


def test_one_graph_for_a_bucket_and_kind_of_recording(model: Model) -> None:
    drawn = Drawn(model)
    assert drawn.graphs(ask()) == 1  # 2 rows
    assert drawn.graphs(ask("two blue cars", seed=8, num_steps=3, scheduler="euler")) == 1
    assert drawn.graphs(ask(), ask("b"), ask("c", guidance_scale=1.0)) == 2  # 5 rows are filled up to 8
    assert drawn.graphs(ask("d", seed=5), ask("e"), ask("f"), ask("g", negative_prompt="h")) == 2
    assert drawn.graphs(ask(record="grid"), ask("b"), ask("c")) == 3
    assert (
        drawn.graphs(ask(), ask("b", record="head"), ask("c", record="site", record_extras=("values",))) == 3
    )
    assert drawn.graphs(ask(record="grid", record_queries=(1,)), ask("b"), ask("c", record="grid")) == 3


@pytest.mark.slow
def test_self_attention_is_recorded_in_a_graph_of_its_own(model: Model) -> None:
    drawn = Drawn(model)
    assert drawn.graphs(ask(record="grid")) == 1
    assert drawn.graphs(ask(record="site", record_extras=("refined",), record_points=((3, 5),))) == 2


@pytest.mark.slow
def test_prompts_of_several_lengths_share_the_graph_of_their_common_length(model: Model) -> None:
    drawn = Drawn(model)
    long = "a BREAK b"
    assert drawn.graphs(ask(long, record="grid")) == 1  # its negative prompt is shorter
    assert drawn.graphs(ask(negative_prompt=long, record="grid")) == 1
    assert drawn.graphs(ask(long, guidance_scale=1.0), ask(guidance_scale=1.0)) == 2
    assert drawn.graphs(ask(long, negative_prompt=long)) == 2


def test_the_number_of_graphs_is_limited(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    drawn = Drawn(model)
    assert drawn.compiled.graphs is not None
    drawn.compiled.graphs.max_graphs = 0
    assert drawn.graphs(ask("a BREAK b", record="grid"), ask()) == 0
    assert "the limit of 0 graphs is reached; a call is not compiled" in caplog.text


@torch.inference_mode()
def test_means_over_repeated_keys_are_those_of_the_keys(model: Model) -> None:
    """What a backend that computes the maps gives of a context repeated to a common length."""
    sites = [site.name for site in model.unet.sites if site.kind == "cross"]
    prompts = [model.text.prompt(text) for text in ("a BREAK b", "c", "d BREAK e")]
    q, rows = {}, torch.tensor([0, 1, 2, 2])
    folded, expected = ([Recording("site", len(prompt.context)) for prompt in prompts] for _ in range(2))
    of_means, of_keys, tape = RowRecorder(folded), RowRecorder(expected), Tape(keeps_self=False)
    with model.prompt_cache.rows(prompts) as groups:
        lengths, context = aligned(groups, sites, rows)
        for site in sites:
            k, v = split_rows(groups, site)
            q[site] = torch.randn(3, len(k[0]), 12, k[0].shape[2])
            of_keys.record(site, q[site], k, v, scale=3.0, grid=(3, 4), out_weight=torch.empty(0))
    assert lengths == [154, 77, 154]
    for site, (k, _) in context.items():
        assert k.shape[2] == 154
        means = [probabilities(*row, scale=3.0).mean(0) for row in zip(q[site][rows], k, strict=True)]
        tape.record_means(site, q[site][rows], means, grid=(3, 4))
    tape.play(of_means, model.unet, context, lengths)
    for recorder in (of_means, of_keys):
        recorder.commit()
    for one, other in zip(folded, expected, strict=True):
        assert_alike(one, other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mode", [True, "reduce-overhead", "cudagraphs"])
def test_on_a_gpu_the_pictures_are_those_of_the_unet_as_it_is(sd_folder: Path, mode: bool | str) -> None:
    options = {"device": "cuda", "dtype": "float32"}
    plain = TextToImagePipeline.from_pretrained(sd_folder, **options)
    compiled = TextToImagePipeline.from_pretrained(sd_folder, **options, compile=mode)
    asked = [ask(), ask("b", seed=5, record="site"), ask("c BREAK d", num_steps=4)]
    for _ in range(2):
        for one, other in zip(plain(asked), compiled(asked), strict=True):
            pixels = [np.asarray(result.image, dtype=int) for result in (one, other)]
            assert np.abs(pixels[0] - pixels[1]).max() <= 2
            if one.maps is not None and other.maps is not None:
                torch.testing.assert_close(
                    one.maps.recording.sums, other.maps.recording.sums, atol=1e-3, rtol=0
                )


@pytest.mark.parametrize(
    ("max_rows", "rows", "filled"),
    [(8, 1, 1), (8, 2, 2), (8, 3, 4), (8, 5, 8), (6, 5, 6), (1, 2, 2), (2, 3, 3)],
)
def test_buckets(max_rows: int, rows: int, filled: int) -> None:
    assert bucket(rows, max_rows) == filled


def test_the_words_of_compile() -> None:
    assert options_of(True) == {"mode": None}
    assert options_of("reduce-overhead") == {"mode": "reduce-overhead"}
    assert options_of("cudagraphs") == {"backend": "cudagraphs"}
    with pytest.raises(UsageError, match=r"compile is 'fast'; must be True, False or one of 'cudagraphs', "):
        options_of("fast")


def test_graphs_without_a_compiler_predict_the_same(model: Model) -> None:
    """On a CPU there are no CUDA graphs; the backend traces the U-Net all the same."""
    Drawn(model, **options_of("cudagraphs")).graphs(ask(record="grid"))


def test_compile_is_refused_on_a_cpu_that_gains_nothing(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    if pipe.model.unet.can_compile:
        pytest.skip("nothing is made faster on this CPU")
    with pytest.raises(UsageError, match=r"^compile is for GPUs, or another dtype"):
        TextToImagePipeline(pipe.model, compile=True)
