"""Onboard AWS Security Incident Response for a whole organization, and keep every account mustered."""
