"""What the page and the API can do, as plain functions."""
