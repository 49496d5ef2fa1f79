"""Vocabulary and plumbing that every service shares; it holds no rule about tickets."""
