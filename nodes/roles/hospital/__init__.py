"""The hospital: what its desk tells it becomes records, and records are handed over under a grant and not otherwise.

stays       what the hospital knows of a stay, in its register, and the records that follow from it
paperwork   the desk's forms -> documents
records     documents -> sealed records and the calls that enter them
coverage    which grants cover what
attaching   files of the desk -> sealed documents, piece by piece
lanes       one stay towards one insurer: what is left to do, derived from chain and register
disclosing  one stay towards another hospital, to treat her, or towards a regulator, for public health
emergencies breaking the glass for another hospital's records, and telling a regulator why
sharing     how a record stands with one recipient
handover    a peer's question for a shared record
visiting    an insurer's rules, run here on the records, so that only the result leaves
erasing     what is destroyed of a record that the hospital is asked to erase
summaries   what the desk is shown of its stays
agent       all of it behind the agent's boundary, and what the desk asks
book        the stays, numbered as they come
importing   a stay read from FHIR -> the desk's forms
"""

from nodes.roles.hospital.agent import Hospital as Hospital
