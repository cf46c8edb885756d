select
    pairs.ancestor_id,
    pairs.area_id,
    pairs.depth,
    not exists (select from {{ ref('int_area_pairs') }} as up where up.area_id = pairs.ancestor_id and up.depth = 1) as is_top,
    not exists (select from {{ ref('int_area_pairs') }} as down where down.ancestor_id = pairs.area_id and down.depth = 1) as is_bottom
from {{ ref('int_area_pairs') }} as pairs
