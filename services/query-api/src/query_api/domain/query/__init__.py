"""The query grammar: from text to a typed condition (behaviours §4). Pure: who asks and when arrive as data."""
