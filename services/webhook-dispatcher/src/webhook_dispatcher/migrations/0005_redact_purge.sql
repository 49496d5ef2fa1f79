-- The intake writes bodies anew when their ticket was redacted, and empties what was answered to the former ones; it
-- deletes rows when their tenant was purged, and the events of its endpoints with them.
grant update (head) on webhooks.delivery_attempt to webhooks_background;
grant delete on webhooks.endpoint, webhooks.ticket, webhooks.delivery, webhooks.delivery_attempt to webhooks_background;
grant execute on function webhooks.forget_events to webhooks_background;
