"""What `benchmarks.soak` is made of: the folder, the faults, the runs, the judgement."""
