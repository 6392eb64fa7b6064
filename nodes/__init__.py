"""Everything that touches the world: clocks, chance, sockets, files, people.

    cli                                 composition: the commands
    api                                 HTTP
    audit                               dossiers
    roles                               what an organisation does with what it sees
    network | simulator | cometbft      drivers of the one core; they do not know each other
    storage, keystore, pki, vault, config, schemas, fhir

Imports go down only. Drivers and storage run whatever contracts they are given and import none of them.
"""
