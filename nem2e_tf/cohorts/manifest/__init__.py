"""Cohorts from a manifest, a table of recordings."""
