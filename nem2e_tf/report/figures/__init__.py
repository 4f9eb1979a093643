"""Pictures of evidence: functions from arrays and tables to a matplotlib figure.

Nothing is shown, saved or read here; `nem2e_tf.report.figures.style` writes. matplotlib is loaded
only when something is drawn.
"""
