select * from {{ ref('stg_payments') }}
where coalesce(method, '') not in ('card', 'bank transfer', 'wallet', 'cash on delivery', 'voucher')
