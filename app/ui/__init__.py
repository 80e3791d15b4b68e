"""The web page of `limelight ui` and its API."""
