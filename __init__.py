"""ComfyUI-JoVA as a node pack; its nodes will be exported here, the core is `jova_core`."""

# ComfyUI imports this file as a package. pytest imports it as a lone module, where a relative
# import would fail and take every test with it.
if __package__:
    from .jova_core import __version__ as __version__
