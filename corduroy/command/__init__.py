"""``corduroy`` on the command line: a room for each command, and what they share.

``main`` takes the arguments and gives the exit status; ``dump``, ``load``, ``changes`` and ``info``
each say which arguments they have, and what they do. What goes into a dump, and in which order, is in
``source``; its form in ``form``, its writing in ``written``, its reading in ``lines``.
"""
