-- Every mail that was ever decided on, and what became of it; addresses stay outside.
-- Grain: (message_id).  Feeds: the page of mails, BI.
select
    m.message_id,
    m.mail_kind,
    m.incident_id,
    m.recipient_role,
    m.created_at,
    m.sent_at,
    m.status
from src_mail as m
cross join ref_run as r
where m.created_at <= r.as_of_at
order by m.created_at, m.message_id
