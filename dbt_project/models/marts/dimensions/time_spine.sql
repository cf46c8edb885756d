select date_day
from {{ ref('dim_date') }}
where date_day is not null
