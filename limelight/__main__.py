"""`python -m limelight` is the command `limelight`."""

from limelight.app.cli import run

if __name__ == "__main__":
    run()
