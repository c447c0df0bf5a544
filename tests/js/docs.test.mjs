// js/docs: a page for each node, with its picture and every socket that the node has.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const PAGES = new URL("../../js/docs/", import.meta.url);
// The schemas as tests/nodes pins them.
const SCHEMAS = new URL("../nodes/schema.json", import.meta.url);

/** Ids of the nodes, each with its title and the names of its inputs and outputs. */
function readNodes() {
  const schemas = Object.entries(JSON.parse(readFileSync(SCHEMAS, "utf-8")));
  return schemas.map(([id, { title, inputs, outputs }]) => {
    return { id, title, sockets: [...Object.keys(inputs), ...outputs.map(([name]) => name)] };
  });
}

const nodes = readNodes();

test("there is a page for each node and for nothing else", () => {
  const pages = readdirSync(PAGES).filter((name) => name.endsWith(".md"));
  assert.deepEqual(pages.sort(), nodes.map(({ id }) => `${id}.md`).sort());
});

for (const { id, title, sockets } of nodes) {
  test(`${id}'s page names all its sockets`, () => {
    const page = readFileSync(new URL(`${id}.md`, PAGES), "utf-8");
    const [heading, , sentence, , picture] = page.split("\n");
    assert.equal(heading, `# ${title}`);
    assert.match(sentence, /^[A-Z].*\.$/);
    assert.equal(picture, `![${title}](${id}.png)`);
    assert.match(page, /\n\*\*Typical wirings?:?\*\*/);
    assert.match(page, /\n\*\*What goes wrong\*\*\n/);
    const rows = page.split("\n").filter((line) => line.startsWith("| "));
    const named = rows.flatMap((row) => row.split("|")[1].match(/\w+/g) ?? []);
    assert.ok(sockets.length > 1);
    for (const socket of sockets) assert.ok(named.includes(socket), `${id}: ${socket}`);
  });
}
