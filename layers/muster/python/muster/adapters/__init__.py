"""The ports, implemented with boto3: the only place that imports it."""
