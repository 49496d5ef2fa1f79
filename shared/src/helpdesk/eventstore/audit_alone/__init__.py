"""The audit of an owner that appends no events: the same table as `helpdesk.eventstore.migrations` gives the others."""
