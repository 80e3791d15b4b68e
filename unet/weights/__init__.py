"""Finds weight files, checks them before anything is read, and loads them strictly."""
