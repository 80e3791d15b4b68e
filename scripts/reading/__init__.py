"""What evaluations of reading share."""
