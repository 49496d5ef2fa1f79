"""Building the views anew beside the live ones, from the event table, and switching over in one transaction."""
