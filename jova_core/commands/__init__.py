"""The subcommands of `jova`: each file adds its options and runs."""
