-- What was booked each year as actual, in dollars and, at the year's mean rate, in euro.
select
  b.year,
  b.usd,
  r.usd as rate,
  b.usd / r.usd as eur
from (
  select year, sum(amount) as usd
  from finance_gold.balance_by_type
  where scenario_key = 1
  group by year
) b
join rates_gold.yearly r on r.year = b.year
