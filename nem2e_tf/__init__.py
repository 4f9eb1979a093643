"""Refine simulated muscle activity into what EMG would have measured.

Importing the package stays light: TensorFlow and Keras are loaded only by what needs them.
"""

__version__ = "0.1.0"
