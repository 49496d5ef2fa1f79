"""What is told to whom, in which bytes, and what follows from an answer: pure functions."""
