GRANT USAGE ON SCHEMA @ TO #;
GRANT SELECT ON @.qrpay_items, @.qrpay_orders, @.qrpay_payments, @.qrpay_refunds, @.qrpay_outbox TO #;
