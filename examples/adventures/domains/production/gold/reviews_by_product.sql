select
  p.product_id,
  p.name,
  count(*) as reviews,
  avg(r.rating) as rating,
  max(r.reviewed) as newest,
  sum(char_length(r.comments)) as characters
from production_silver.reviews r
join production_silver.products p on p.product_id = r.product_id
group by p.product_id, p.name
