"""Cohorts of aligned cycles, built from recordings, imported from data sets, or synthetic."""
