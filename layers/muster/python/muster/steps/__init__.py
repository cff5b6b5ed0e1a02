"""One module per step: observe through ports, decide in the domain, act through ports. Each can be repeated."""
