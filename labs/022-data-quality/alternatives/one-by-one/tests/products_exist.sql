select *
from {{ ref('stg_lines') }} as l
where not exists (select 1 from {{ source('raw', 'products') }} as p where p.product_id = l.product_id)
