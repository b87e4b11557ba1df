"""Speed, memory and size, each beside its target and the baseline's way: ``python -m benchmarks``.

`cases` says what is measured, `workshop` makes what the cases need, `measuring` runs a command
and counts, `work` holds what is timed inside a process of its own, `baseline` does what the
baseline does, `page` writes ``docs/bench.md``. POSIX only. The process that measures imports
nothing but the standard library: on Linux a child's peak of memory begins at its parent's.
"""
