"""What can be indexed: M-BEIR data, a folder of pictures, a table of rows."""
