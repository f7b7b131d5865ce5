-- What each organization booked, by year, scenario and type of account.
select
  o.name as organization,
  extract(year from e.entry_date) as year,
  e.scenario_key,
  a.account_type,
  count(*) as entries,
  sum(e.amount) as amount,
  avg(e.amount) as mean_amount,
  min(e.amount) as least,
  max(e.amount) as most
from finance_silver.entries e
join finance_silver.accounts a on a.account_key = e.account_key
join finance_silver.organizations o on o.organization_key = e.organization_key
group by o.name, extract(year from e.entry_date), e.scenario_key, a.account_type
