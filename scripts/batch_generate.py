"""`limelight batch` for launchers that start a file:

accelerate launch --num_processes 4 scripts/batch_generate.py prompts.csv -o out/
torchrun --nproc-per-node 4 scripts/batch_generate.py prompts.csv -o out/
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # a launcher puts this file's folder there, not the project's

from limelight.app.cli import run  # noqa: E402

if __name__ == "__main__":
    sys.argv[1:1] = ["batch"]
    run()
