"""A network that is not known: hundreds of sessions over several protocols, recorded live, and attackers among them.

`plan` draws from a seed what is to happen, `staging` lets it happen with the servers, clients and vectors of the lab,
`key` says which sessions were attacked, and `scoring` compares that with what a detector found. `unknown` is the
network as a student gets it.
"""
