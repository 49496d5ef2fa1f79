"""Benchmarks: each row of design §11 beside its limit, measured in the same run (`make bench`)."""
