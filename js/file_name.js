// A file name's %date:yyyy-MM-dd% and %Node.widget% are filled in when a run is queued, as core does
// for its own nodes; the server fills in %width%, %height% and the like.
import { app } from "../../scripts/app.js";

app.registerExtension({
  name: "JoVA.FileName",
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("JoVA")) return;
    const widget = node.widgets?.find(({ name }) => name === "filename_prefix");
    if (!widget) return;
    widget.serializeValue = () => {
      // The page's own function; older and newer pages without it send the name as it is.
      const fill = globalThis.comfyAPI?.utils?.applyTextReplacements;
      return fill ? fill(app.graph, widget.value) : widget.value;
    };
  },
});
