"""The schema `notices`, numbered; a file that was applied never changes."""
