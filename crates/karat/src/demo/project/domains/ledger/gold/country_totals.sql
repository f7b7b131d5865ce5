-- Totals by the country that holds the account today.
select
    a.country,
    e.currency,
    count(*)      as entries,
    sum(e.amount) as total
from ledger_silver.entries as e
join accounts_silver.accounts as a
    on a.account_id = e.account_id
where a.__END_AT is null
group by a.country, e.currency
