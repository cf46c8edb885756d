{% macro create_path_of(areas) %}
create or replace function {{ target.schema }}.path_of(area bigint) returns bigint[] language plpgsql stable as $$
declare
    above bigint := (select parent_id from {{ areas }} where area_id = area);
begin
    return case when above is null then array[area] else {{ target.schema }}.path_of(above) || area end;
end $$
{% endmacro %}
