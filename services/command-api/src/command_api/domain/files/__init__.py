"""Files: what they may be called, of which types they may be, and whether their content is what they say."""
