"""OpenSim's tools."""
