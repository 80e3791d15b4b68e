"""The summary of a run: index, gallery, contact sheet."""
