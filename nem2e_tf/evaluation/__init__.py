"""Metrics of a cycle, scores of a group and statistics over groups, from arrays and tables."""
