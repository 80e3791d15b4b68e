"""Pictures drawn for visitors, in turn."""
