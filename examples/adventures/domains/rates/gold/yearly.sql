select
  extract(year from rate_date) as year,
  count(*) as days,
  avg(usd) as usd,
  min(usd) as usd_least,
  max(usd) as usd_most,
  avg(jpy) as jpy,
  avg(chf) as chf,
  count(hrk) as hrk_days
from rates_silver.reference_rates
group by extract(year from rate_date)
