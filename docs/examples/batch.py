"""Many requests sampled together: each picture is saved as soon as it is finished."""

import sys
from pathlib import Path

from limelight import GenerationRequest, TextToImagePipeline

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs")
pipe = TextToImagePipeline.from_pretrained("default")
requests = [
    GenerationRequest(prompt="a cat on a teal background", num_steps=2),
    GenerationRequest(prompt="two stars on a black background", num_steps=3, guidance_scale=1.0),
    GenerationRequest(prompt="a green frog", num_steps=4, scheduler="dpm++2m", seed=3),
]
for step in pipe.stream(requests):  # stop iterating to cancel
    print(f"request {step.id}: {step.index} of {step.count}")
    if step.error is not None:
        print(f"failed: {step.error}")
    if step.result is not None:
        print(step.result.save(folder / step.result.file_name))
