with source as (

    select * from {{ source('retail', 'order_lines') }}

),

deduplicated as (

    {{ deduplicate('source', 'line_id', 'line_id') }}

)

select
    cast(line_id as bigint) as order_line_id,
    cast(order_id as bigint) as order_id,
    cast(line_number as integer) as line_number,
    cast(product_id as bigint) as product_id,
    {{ to_integer('quantity') }} as quantity,
    cast(unit_price as numeric(14, 2)) as unit_price,
    cast(discount as numeric(14, 2)) as discount,
    cast(amount as numeric(14, 2)) as amount
from deduplicated
