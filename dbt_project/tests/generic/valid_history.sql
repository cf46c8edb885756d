{% test valid_history(model, key, valid_from='valid_from', valid_to='valid_to', current='is_current') %}

{#- The versions of a member follow each other without gap or overlap, and the last one, alone, is current. -#}
with versions as (
    select
        {{ key }},
        {{ valid_from }} as valid_from,
        {{ valid_to }} as valid_to,
        {{ current }} as is_current,
        lead({{ valid_from }}) over (partition by {{ key }} order by {{ valid_from }}) as next_from
    from {{ model }}
)

select *
from versions
where
    valid_to is distinct from next_from
    or valid_to <= valid_from
    or is_current is distinct from (valid_to is null)

{% endtest %}
