-- Areas whose parent lies below them, by the bridge of yesterday.
{% set yesterday = adapter.get_relation(target.database, target.schema, 'bridge_area') %}

select areas.area_id
from {{ ref('stg_areas') }} as areas
{% if yesterday -%}
inner join {{ yesterday }} as pairs on pairs.ancestor_id = areas.area_id and pairs.area_id = areas.parent_id
{%- else -%}
where areas.area_id = areas.parent_id
{%- endif %}
