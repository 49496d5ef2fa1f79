"""Lists: their orders, pages and cursors, the SQL that cuts them and what is answered (contract §5)."""
