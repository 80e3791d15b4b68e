"""The commands of `limelight`, one in each file. Importing them does not load torch."""
