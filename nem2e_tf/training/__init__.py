"""Training: recipes, vectorised fitting, cross-validation and run folders."""
