"""What comes in from the network: bounded, timed and checked before anything else sees it."""
