-- Rule 9. Before 2025 orders came on paper, so only what was ordered since then counts.
select order_id, ordered_at, recorded_at
from {{ ref('stg_orders') }}
where ordered_at >= '2025-01-01 00:00 UTC' and (recorded_at is null or recorded_at::date > ordered_at::date + 1)
