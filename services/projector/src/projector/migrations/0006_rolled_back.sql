-- Which tables are live after a switch: those that were built, or (after a roll-back) the former ones.
alter table views.rebuild add column rolled_back boolean not null default false;
