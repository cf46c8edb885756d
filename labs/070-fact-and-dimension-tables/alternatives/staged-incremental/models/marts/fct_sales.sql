{{ config(materialized='incremental', unique_key='sale_id') }}

with shares as (

    select
        *,
        floor(100 * shipping_fee * quantity / sum(quantity) over by_order) as cents,
        100 * shipping_fee * quantity / sum(quantity) over by_order - floor(100 * shipping_fee * quantity / sum(quantity) over by_order) as rest
    from {{ ref('stg_sold_lines') }}
    window by_order as (partition by order_id)

),

spread as (

    select
        *,
        cents + case
            when
                row_number() over (partition by order_id order by rest desc, line_number)
                <= 100 * shipping_fee - sum(cents) over (partition by order_id)
                then 1
            else 0
        end as whole_cents
    from shares

)

select
    s.sale_id,
    d.date_key,
    st.store_key,
    p.product_key,
    s.order_id,
    s.line_number,
    s.quantity,
    s.unit_price,
    s.quantity * s.unit_price as gross_amount,
    s.discount as discount_amount,
    s.quantity * s.unit_price - s.discount as net_amount,
    (s.whole_cents / 100)::numeric(14, 2) as shipping_amount
from spread as s
inner join {{ ref('dim_date') }} as d on d.date_day = s.sold_on
inner join {{ ref('dim_store') }} as st using (store_id)
inner join {{ ref('dim_product') }} as p using (product_id)
