"""A search over HTTP, and the page that shows it."""
