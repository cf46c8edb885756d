with versions as (

    select
        *,
        lead(city) over (partition by customer_id order by version) as next_city,
        lead(segment) over (partition by customer_id order by version) as next_segment
    from {{ ref('int_customer_versions') }}

),

-- The last version that the customer left for another city, and the last that they left for another segment.
changes as (

    select
        customer_id,
        max(case when city <> next_city then version end) as city_left_at,
        max(case when segment <> next_segment then version end) as segment_left_at
    from versions
    group by customer_id

)

select
    now.customer_id,
    now.city,
    city_before.city as previous_city,
    now.segment,
    segment_before.segment as previous_segment
from versions as now
inner join changes on changes.customer_id = now.customer_id
left join versions as city_before
    on city_before.customer_id = now.customer_id and city_before.version = changes.city_left_at
left join versions as segment_before
    on segment_before.customer_id = now.customer_id and segment_before.version = changes.segment_left_at
where now.is_current
