"""What every training stage uses."""
