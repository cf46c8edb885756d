{% macro window_start(column) -%}
(
    select coalesce(max({{ column }}), cast('1970-01-01 00:00:00+00' as timestamptz)) - interval '{{ var("lookback_days") }} days'
    from {{ this }}
)
{%- endmacro %}


{% macro in_force(version, moment) -%}
{{ moment }} >= {{ version }}.valid_from and ({{ moment }} < {{ version }}.valid_to or {{ version }}.valid_to is null)
{%- endmacro %}


{% macro orders_to_key_again(dimensions, versioned) -%}
    select order_id
    from {{ this }}
    where per_euro is null and currency <> 'XXX'
{%- for name, dimension in dimensions.items() %}
    union
    select loaded.order_id
    from {{ this }} as loaded
    inner join {{ dimension }} as member
        on member.{{ name }}_id = loaded.{{ name }}_id
        {%- if name in versioned %} and {{ in_force('member', 'loaded.ordered_at') }}{% endif %}
    where member.{{ name }}_key <> loaded.{{ name }}_key
{%- endfor %}
{%- endmacro %}


{% macro freshness_query(column) -%}
select max({{ column }}){% if var('as_of') is not none %} + (current_timestamp - cast('{{ var("as_of") }}' as timestamptz)){% endif %}
from {{ this }}
{%- endmacro %}
