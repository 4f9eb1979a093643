"""Signal processing of EMG and gait recordings."""
