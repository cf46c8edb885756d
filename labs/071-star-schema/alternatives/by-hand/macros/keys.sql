{% macro surrogate_key(kind, columns) -%}
substr(encode(sha256(convert_to(concat_ws('/', '{{ kind }}', {{ columns | join(', ') }}), 'UTF8')), 'hex'), 1, 20)
{%- endmacro %}

{% macro unknown_key() -%}
'-1'
{%- endmacro %}

{% macro date_key(moment) -%}
cast({{ moment }} as date)
{%- endmacro %}
