select *
from {{ source('raw', 'lines') }}
where product_id not between (select min(product_id) from {{ source('raw', 'products') }})
    and (select max(product_id) from {{ source('raw', 'products') }})
