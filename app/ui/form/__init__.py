"""Makes requests of what visitors typed and sent."""
