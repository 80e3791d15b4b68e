"""What `python -m scripts.benchmark` measures, a file for each."""
