"""`limelight inspect`."""

from pathlib import Path

from app import report


def inspect(file: Path) -> None:
    """Show what made FILE, a PNG saved by Limelight or by AUTOMATIC1111's web UI."""
    from pipeline.metadata import read_record

    report.show_record(read_record(file))
