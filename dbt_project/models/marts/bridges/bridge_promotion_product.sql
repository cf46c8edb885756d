with coverage as (

    select
        promotions.promotion_key,
        products.product_key,
        products.product_id,
        count(*) over (partition by promotions.promotion_key) as products_covered
    from {{ ref('dim_promotion') }} as promotions
    inner join {{ ref('dim_product') }} as products
        on promotions.department in ('all', products.department)
        and products.product_id is not null
        and {{ utc_day('products.valid_from') }} <= promotions.ends_on
        and (products.valid_to is null or {{ utc_day('products.valid_to') }} >= promotions.starts_on)
    where promotions.promotion_id is not null

)

select
    promotion_key,
    product_key,
    product_id,
    cast(1.0 / products_covered as numeric(18, 12)) as weight
from coverage
