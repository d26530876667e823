"""An unknown network: hundreds of sessions over several protocols, recorded live, with attackers among them.

`plan` draws a plan from a seed, `staging` carries it out with the servers, clients and vectors of the lab, `key` says
which sessions were attacked, and `scoring` compares that with what a detector found. `unknown` is the network as a
student gets it.
"""
