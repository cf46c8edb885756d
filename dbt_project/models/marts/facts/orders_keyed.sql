with orders as (

    select
        orders.*,
        {{ utc_day('orders.ordered_at') }} as ordered_on,
        {{ local_day('orders.ordered_at', "coalesce(stores.time_zone, 'UTC')") }} as ordered_on_locally,
        stores.store_key
    from {{ ref('stg_orders') }} as orders
    left join {{ ref('dim_store') }} as stores on stores.store_id = orders.store_id

)

select
    orders.order_id,
    orders.ordered_at,
    orders.recorded_at,
    orders.customer_id,
    orders.store_id,
    orders.promotion_id,
    orders.currency,
    orders.order_status,
    rates.per_euro,
    {{ or_unknown('customers.customer_key') }} as customer_key,
    {{ or_unknown('orders.store_key') }} as store_key,
    case
        when orders.promotion_id is null then {{ not_applicable_key() }}
        else {{ or_unknown('promotions.promotion_key') }}
    end as promotion_key,
    {{ date_key('orders.ordered_on') }} as order_date_key,
    {{ date_key('orders.ordered_on_locally') }} as local_order_date_key
from orders
left join {{ ref('dim_customer') }} as customers
    on customers.customer_id = orders.customer_id
    and {{ in_force('customers', 'orders.ordered_at') }}
left join {{ ref('dim_promotion') }} as promotions
    on promotions.promotion_id = orders.promotion_id
left join {{ ref('int_exchange_rates_daily') }} as rates
    on rates.rate_on = orders.ordered_on
    and rates.currency = orders.currency
