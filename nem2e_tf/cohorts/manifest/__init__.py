"""A manifest of recordings made into a cohort."""
