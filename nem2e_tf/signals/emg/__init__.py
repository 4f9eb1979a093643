"""EMG processing: envelopes of raw EMG by recipes, and their normalisation."""
