"""The operator's command line, `muster`."""
