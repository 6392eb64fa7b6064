"""What an organisation's operator does at its desk.

policy        an insurer's policies
stay          a hospital's stays, from admission to correction; `attaching` their files
access        asking for a record, and ordering one under a law; `emergencies` break the glass
receiving     reading what hospitals handed over
report        an insurer's yearly report
"""
