"""The schema `limits`, numbered; a file that was applied never changes."""
