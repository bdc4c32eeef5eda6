-- What keeps units from doing their duty, who has to answer, and what was answered.
-- Grain: (difficulty_id).  Feeds: letters, the officers who answer, BI.
select
    d.difficulty_id,
    d.unit_code,
    d.raised_date,
    d.difficulty_text,
    d.owner_post,
    d.answer_text,
    d.answered_date,
    d.source_document,
    d.estate_code,
    d.raised_date <= r.as_of_date
    and (d.answered_date is null or d.answered_date > r.as_of_date) as is_open
from ref_difficulty as d
cross join ref_run as r
order by d.estate_code, d.raised_date, d.difficulty_id
