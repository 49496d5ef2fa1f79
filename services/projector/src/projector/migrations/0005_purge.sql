-- The projector deletes rows for one reason: their tenant was purged.
grant delete on views.tenants, views.people, views.tickets, views.comments, views.activities to views_background;
