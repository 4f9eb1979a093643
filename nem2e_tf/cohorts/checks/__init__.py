"""Plausibility checks of recordings and cohorts; each returns a list of findings."""
