"""The operators' command line: what looks at all owners at once, and so belongs to none of them."""
