-- What each product costs today, since when, and how many prices it has had.
select
  p.product_id,
  p.name,
  m.name as model,
  h.list_price,
  h.start_date as since,
  n.prices
from production_silver.list_prices h
join production_silver.products p on p.product_id = h.product_id
join (
  select product_id, count(*) as prices
  from production_silver.list_prices
  group by product_id
) n on n.product_id = h.product_id
left join production_silver.models m on m.model_id = p.model_id
where h."__END_AT" is null
