-- The intake writes a text anew when its ticket was redacted, and deletes rows when their tenant was purged.
grant update (title, message, data) on notices.notification to notices_background;
grant delete on notices.person, notices.ticket, notices.notification to notices_background;
