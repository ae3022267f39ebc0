"""How fast corduroy is, and how much it needs: ``make bench``, or ``python -m benchmarks``.

A canned server in its own process (`servers`) answers with bytes as CouchDB 3.5 sends them
(`canned`), so that the figures are the client's. The contestants take turns: in every round each
of them runs once, or a few times where an operation takes microseconds, always in a fresh process
(`worker`), so that memory and CPU are its own. A figure is the median of the rounds, and a ratio
the median of the rounds' ratios. Machines are noisy: read the ratios.

On Linux the server keeps to one CPU and the clients to the others; where the two only ever wait
for each other they share that one (`model.Group` says why).

What a table shows:

- *requests a second* (or *seconds*, where one operation is long), from wall-clock time;
- *of the floor*: this speed divided by that of the least that a Python client can do, as the
  benchmark's module defines it; *of aiocouch*: divided by that of aiocouch;
- *CPU µs/op*: user and system time of the client's process, for each operation;
- *peak MB*: the most memory the process ever held; *above idle*: that, less what it held when
  its modules were imported and its client made.

It ends with a line a bar: ``bar NAME VALUE TARGET ok``, or ``SHORT`` where it is missed.

To add a benchmark: write a module with a `model.Benchmark` and name it in `suite`; if it asks for
a path that the canned server does not know, add that to `canned`.
"""
