select
  k.name as category,
  k.description,
  count(distinct l.product_id) as products,
  sum(l.quantity) as pieces,
  sum(l.unit_price * l.quantity * (1 - l.discount)) as revenue,
  avg(l.discount) as mean_discount
from trade_silver.order_lines l
join trade_silver.products p on p.product_id = l.product_id
join trade_silver.categories k on k.category_id = p.category_id
group by k.name, k.description
