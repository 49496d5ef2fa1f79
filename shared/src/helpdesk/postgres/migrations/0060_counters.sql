-- How often somebody has called, for all replicas together (behaviours §3). Unlogged: a crash forgives everybody.

create unlogged table limits.counter (
    key        text        primary key, -- the class of call, and a person, or an address
    number     bigint      not null,    -- of the window, since 1970
    before     integer     not null,    -- calls of the window before
    calls      integer     not null,
    expires_at timestamptz not null
) with (fillfactor = 50);

select pg_temp.ensure_role('limiter');
grant usage on schema limits to limiter;
grant select, insert, update, delete on limits.counter to limiter;
-- No tenant's: addresses are counted too, and whoever is refused must be known across tenants. One login sees it.
alter table limits.counter enable row level security;
alter table limits.counter force row level security;
create policy counting on limits.counter to limiter using (true);

-- Counts a call when it fits: fewer than `p_limit` in the last `p_window_s`, of which the window before counts as far as
-- it still reaches in. Returns the counts after it, with the seconds that are left of the window before, and those until
-- this one counts no more.
create function limits.take(p_key text, p_limit integer, p_window_s integer)
returns table (fits boolean, before integer, before_s double precision, calls integer, calls_s double precision)
language plpgsql as $$
declare
    now_s double precision := extract(epoch from clock_timestamp());
    this  bigint := floor(now_s / p_window_s);
    left_ double precision := (this + 1) * p_window_s - now_s;
    c     limits.counter;
begin
    -- Who was waited for may have begun the next window already: it stays begun. One that lies further ahead was begun by
    -- a clock that has been set back (a standby took over, say), and begins anew: its callers would else be refused until
    -- the clock is there again.
    insert into limits.counter as t (key, number, before, calls, expires_at)
    values (p_key, this, 0, 0, clock_timestamp() + make_interval(secs => 2 * p_window_s))
    on conflict on constraint counter_pkey do update set
        number = case when t.number = this + 1 then t.number else this end,
        before = case when t.number in (this, this + 1) then t.before when t.number = this - 1 then t.calls else 0 end,
        calls = case when t.number in (this, this + 1) then t.calls else 0 end,
        expires_at = excluded.expires_at
    returning * into c;
    fits := c.before * left_ / p_window_s + c.calls < p_limit;
    if fits then
        update limits.counter t set calls = t.calls + 1 where t.key = p_key;
        c.calls := c.calls + 1;
    end if;
    before := c.before;
    before_s := case when c.before > 0 then left_ else 0 end;
    calls := c.calls;
    calls_s := left_ + p_window_s;
    return next;
end $$;
revoke all on function limits.take from public;
grant execute on function limits.take to limiter;
