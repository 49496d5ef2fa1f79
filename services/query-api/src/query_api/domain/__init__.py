"""What the query API decides by itself, without I/O: filters, orders, pages, cursors."""
