"""Run exported files."""
