"""The SQL of the schema `notices`."""
