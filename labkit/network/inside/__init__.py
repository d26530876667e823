"""What runs inside the lab's own namespaces, in processes of its own.

Nothing here imports labkit: these files are programs, started by their path, that must be up in milliseconds. `main`
makes the LAN (`lan`) and hands out sockets, `enter` starts a tool on a host. `labkit.network.broker` starts `main`.
"""
