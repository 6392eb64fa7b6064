"""What members tell each other point to point, beside the chain: questions, and what is handed over in answer.

The forms are the same for both ends, so neither the hospital's agent nor the insurer's owns them: `documents` and
`attachments` are what a record says, `visits` what travels when rules visit the data, `opening` what a customer gets
about her own settlement. `questions` is the union of all that is asked, `asking` when it is asked again. What every
recipient does is here too: `intake` fetches, checks and keeps a record, `attachment_intake` a document chunk by chunk,
and `receiving` confirms what serves no claim; what every custodian does with a question that it turns away, `refusals`.
"""
