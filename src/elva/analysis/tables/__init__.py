"""The paper's tables: published figures beside measured ones."""
