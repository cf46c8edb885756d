{% macro to_euro(amount, per_euro) -%}
cast({{ amount }} / {{ per_euro }} as numeric(24, 12))
{%- endmacro %}
