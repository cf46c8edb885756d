with pairs as (

    select store_id, product_id, min(moved_at)::date as since
    from {{ source('raw', 'stock_movements') }}
    group by store_id, product_id

),

until as (

    select max(moved_at)::date as last_day from {{ source('raw', 'stock_movements') }}

)

select
    day::date as date_key,
    pairs.store_id as store_key,
    pairs.product_id as product_key,
    moves.*
from pairs
cross join until
cross join lateral generate_series(pairs.since, until.last_day, interval '1 day') as day
cross join lateral (
    select
        coalesce(sum(quantity) filter (where kind = 'receipt' and moved_at >= day), 0) as quantity_received,
        coalesce(sum(quantity) filter (where kind = 'sale' and moved_at >= day), 0) as quantity_sold,
        coalesce(sum(quantity) filter (where kind = 'write_off' and moved_at >= day), 0) as quantity_written_off,
        sum(case kind when 'receipt' then quantity else -quantity end) as quantity_on_hand
    from {{ source('raw', 'stock_movements') }} as m
    where m.store_id = pairs.store_id and m.product_id = pairs.product_id and m.moved_at < day + interval '1 day'
) as moves
