"""Decisions only: standard library, no AWS, no clock, no environment, no input or output."""
