"""Models behind an address, asked in plain messages, and answers that are kept as they come."""
