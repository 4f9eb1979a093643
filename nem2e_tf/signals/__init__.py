"""Signals: EMG and gait."""
