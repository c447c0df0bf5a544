"""`jova bench gpu-a` and `gpu-b`: what to measure where there is a GPU, five minutes each.

`script` runs the items of either in order of importance, `kernels` and `whole` say what they are.
Results and how to send the scripts to a machine: experiments/gpu.md.
"""
