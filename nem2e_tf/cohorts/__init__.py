"""Ways from recordings, or from nothing at all, to a `nem2e_tf.cohorts.cohort.Cohort`."""
