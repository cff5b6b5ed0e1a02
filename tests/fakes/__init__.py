"""The ports over one small simulated organization, in memory, with a call log and faults."""
