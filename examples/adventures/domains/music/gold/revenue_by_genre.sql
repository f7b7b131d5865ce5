select
  g.name as genre,
  count(*) as lines,
  sum(l.unit_price * l.quantity) as revenue,
  avg(l.unit_price) as mean_price
from music_silver.invoice_lines l
join music_silver.tracks t on t.track_id = l.track_id
join music_silver.genres g on g.genre_id = t.genre_id
group by g.name
