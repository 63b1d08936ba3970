"""What the central system answers, one module per protocol version."""
