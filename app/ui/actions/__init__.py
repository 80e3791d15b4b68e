"""The actions of the page and the API, as plain functions."""
