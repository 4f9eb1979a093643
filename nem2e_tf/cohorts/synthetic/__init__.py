"""Synthetic cohorts with known truth."""
