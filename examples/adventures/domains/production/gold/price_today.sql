select
  p.product_id,
  p.name,
  m.name as model,
  h.list_price,
  h.start_date as since,
  count(*) over (partition by h.product_id) as prices
from production_silver.list_prices h
join production_silver.products p on p.product_id = h.product_id
left join production_silver.models m on m.model_id = p.model_id
where h."__END_AT" is null
