select
    store_id,
    product_id,
    cast(moved_at at time zone 'UTC' as date) as moved_on,
    sum(case kind when 'receipt' then quantity else 0 end) as received,
    sum(case kind when 'sale' then quantity else 0 end) as sold,
    sum(case kind when 'write_off' then quantity else 0 end) as written_off
from {{ source('raw', 'stock_movements') }}
group by 1, 2, 3
