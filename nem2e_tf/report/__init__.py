"""Reports of runs: printed tables, a page with figures, and runs compared."""
