"""`limelight inspect`."""

from pathlib import Path

from limelight.app import report


def inspect(file: Path) -> None:
    """Show what made FILE, a PNG saved by Limelight, or a PNG, JPEG or WebP of another program."""
    from limelight.pipeline.results.png import read_record

    report.show_record(read_record(file))
