-- Actuals by month, and their running total.
select
  month,
  amount,
  sum(amount) over (order by month rows between unbounded preceding and current row) as running
from (
  select date_trunc('month', entry_date) as month, sum(amount) as amount
  from finance_silver.entries
  where scenario_key = 1
  group by date_trunc('month', entry_date)
) as monthly
