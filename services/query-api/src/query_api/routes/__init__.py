"""The doors of the query API."""
