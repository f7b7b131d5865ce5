-- Control totals by desk and currency.
select
    desk,
    currency,
    count(*)    as entries,
    sum(amount) as total,
    min(amount) as smallest,
    max(amount) as largest,
    avg(amount) as average
from ledger_silver.entries
group by desk, currency
