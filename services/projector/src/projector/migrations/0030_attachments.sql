-- The files of tickets. A removed one leaves its marker without its name.
create table views.attachments (
    tenant_id   uuid        not null,
    ticket_id   uuid        not null,
    id          uuid        not null,
    object_id   uuid        not null, -- the last part of its key in the file store
    filename    text        not null,
    file_size   bigint      not null,
    mime_type   text        not null,
    sha256      text        not null,
    added_by_id uuid        not null,
    created_at  timestamptz not null,
    deleted     boolean     not null,
    primary key (tenant_id, ticket_id, id)
);
create index attachments_created_idx on views.attachments (tenant_id, ticket_id, created_at, id) where not deleted;

alter table views.attachments enable row level security;
alter table views.attachments force row level security;
create policy tenant on views.attachments
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
create policy background on views.attachments to views_background using (true);
grant select, insert, update, delete on views.attachments to views_background;
grant select on views.attachments to query_api;
