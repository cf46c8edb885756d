select line_id, product_id
from {{ source('raw', 'lines') }}
group by line_id, product_id
having count(*) > 1
