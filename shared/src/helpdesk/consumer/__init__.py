"""The safe batch subscriber: version guard and progress in the transaction of what a batch does."""
