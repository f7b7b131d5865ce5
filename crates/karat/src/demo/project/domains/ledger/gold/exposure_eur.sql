-- The daily balances in euro, at the European Central Bank's reference rate of the booking day.
select
    b.book_date,
    b.currency,
    b.balance,
    r.rate,
    b.balance / r.rate as balance_eur
from ledger_gold.daily_balance as b
join rates_gold.reference_rates as r
    on r.rate_date = b.book_date and r.currency = b.currency
