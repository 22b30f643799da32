"""Looking at results: figures, contact sheets and the report."""
