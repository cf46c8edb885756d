select 1 as n from {{ ref('bridge_area') }} where depth < 0
