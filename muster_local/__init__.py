"""The embedded cloud: the AWS APIs that the application uses, on loopback. Shares no code with the application."""
