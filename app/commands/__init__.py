"""The commands of `limelight`, one a file: what can be typed, and who does it. Nothing here loads torch."""
