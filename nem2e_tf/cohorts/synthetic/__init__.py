"""Embedded cohorts."""
