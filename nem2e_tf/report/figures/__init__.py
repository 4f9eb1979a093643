"""Functions from arrays and tables to matplotlib figures.

Nothing is shown, saved or read here, except by `nem2e_tf.report.figures.style.write_figure`.
matplotlib is imported when the first figure is drawn.
"""
