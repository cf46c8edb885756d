{% macro refuse_cycles(areas) %}
{% if execute %}
{% set lost = run_query("
    with recursive reached as (
        select area_id from " ~ areas ~ " where parent_id is null
        union
        select areas.area_id from " ~ areas ~ " as areas inner join reached on reached.area_id = areas.parent_id
    )
    select area_id from " ~ areas ~ " except select area_id from reached order by 1
") %}
{% if lost.rows %}
{{ exceptions.raise_compiler_error("no top lies above these areas, so they are in a cycle: " ~ lost.columns[0].values() | join(", ")) }}
{% endif %}
{% endif %}
{% endmacro %}
