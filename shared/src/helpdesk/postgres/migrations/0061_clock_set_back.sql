-- As in 0060; but a counter whose window lies further ahead than the next one was begun by a clock that has been set back
-- (a standby took over, say): it begins anew. Its callers would else be refused until the clock is there again.
create or replace function limits.take(p_key text, p_limit integer, p_window_s integer)
returns table (fits boolean, before integer, before_s double precision, calls integer, calls_s double precision)
language plpgsql as $$
declare
    now_s double precision := extract(epoch from clock_timestamp());
    this  bigint := floor(now_s / p_window_s);
    left_ double precision := (this + 1) * p_window_s - now_s;
    c     limits.counter;
begin
    -- Who was waited for may have begun the next window already: it stays begun.
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
