"""The invariants of docs/design.md §10, each checked on a running system by reading alone and in bounded memory."""
