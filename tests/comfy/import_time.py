"""Processor time that loading the pack takes, as a share of what ComfyUI itself takes to come up.

    python import_time.py COMFYUI PACK RESULTS.json

Run by ComfyUI's own interpreter. The share is the same on a fast and on a busy machine.
"""

import json
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    import host

    root, pack, results = sys.argv[1:]
    started = time.process_time()
    nodes = host.boot_core(root)
    up = time.process_time()
    host.load_pack(nodes, pack)
    loaded = time.process_time()
    seconds = {"core": up - started, "pack": loaded - up}
    Path(results).write_text(json.dumps(seconds), encoding="utf-8")
