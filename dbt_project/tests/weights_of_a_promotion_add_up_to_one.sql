select promotion_key, sum(weight) as total
from {{ ref('bridge_promotion_product') }}
group by promotion_key
having abs(sum(weight) - 1) > 0.000001
