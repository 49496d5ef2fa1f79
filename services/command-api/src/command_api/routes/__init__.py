"""The doors of the command API: one file per resource."""
