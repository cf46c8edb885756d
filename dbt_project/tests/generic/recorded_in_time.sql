{% test recorded_in_time(model, column_name, after, seconds=none) %}

{#- Rows recorded before they happened, or later than `seconds` after it; by default, later than incremental facts look back. -#}
select {{ column_name }}, {{ after }}
from {{ model }}
where
    {{ column_name }} < {{ after }}
    or {{ column_name }} > {{ after }} + interval '{{ var("lookback_days") * 86400 if seconds is none else seconds }} seconds'

{% endtest %}
