{% macro deduplicate(relation, key, order_by) -%}
{{ return(adapter.dispatch('deduplicate')(relation, key, order_by)) }}
{%- endmacro %}

{% macro default__deduplicate(relation, key, order_by) -%}
select * from {{ relation }}
qualify row_number() over (partition by {{ key }} order by {{ order_by }}) = 1
{%- endmacro %}

{% macro postgres__deduplicate(relation, key, order_by) -%}
select distinct on ({{ key }}) * from {{ relation }}
order by {{ key }}, {{ order_by }}
{%- endmacro %}


{% macro trimmed(column) -%}
nullif(trim(cast({{ column }} as text)), '')
{%- endmacro %}


{% macro to_integer(column) -%}
case when {{ is_like(column, '^[+-]?[0-9]{1,9}$') }} then cast({{ trimmed(column) }} as integer) end
{%- endmacro %}


{% macro to_day(column) -%}
case
    when {{ is_like(column, '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$') }}
        then cast({{ trimmed(column) }} as date)
end
{%- endmacro %}


{% macro is_like(column, pattern) -%}
{{ return(adapter.dispatch('is_like')(column, pattern)) }}
{%- endmacro %}

{% macro default__is_like(column, pattern) -%}
regexp_matches({{ trimmed(column) }}, '{{ pattern }}')
{%- endmacro %}

{% macro postgres__is_like(column, pattern) -%}
{{ trimmed(column) }} ~ '{{ pattern }}'
{%- endmacro %}


{% macro is_garbled(column) -%}
{{ return(adapter.dispatch('is_garbled')(column)) }}
{%- endmacro %}

{#- The first byte of a UTF-8 sequence read as Windows-1252 (Â to ô), then a byte that only goes on with one. -#}
{% macro default__is_garbled(column) -%}
regexp_matches({{ column }}, '[\x{C2}-\x{F4}][\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]')
{%- endmacro %}

{% macro postgres__is_garbled(column) -%}
{{ column }} ~ '[\u00C2-\u00F4][\u0080-\u00BF€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]'
{%- endmacro %}
