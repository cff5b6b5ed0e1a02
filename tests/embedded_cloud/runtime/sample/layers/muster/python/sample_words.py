"""What a layer brings along."""

GREETING = "hello from a layer"
