"""What a run leaves for people: index, gallery, contact sheet."""
