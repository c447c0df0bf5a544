// js/docs: a page for each node, with its picture and every socket that the node has.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const PAGES = new URL("../../js/docs/", import.meta.url);
const NODES = new URL("../../nodes/", import.meta.url);

/** Ids of the nodes, each with the names of its inputs and outputs, read from the schemas. */
function readNodes() {
  const files = readdirSync(NODES).filter((name) => name.endsWith(".py"));
  const source = files.map((name) => readFileSync(new URL(name, NODES), "utf-8")).join("\n");
  const schemas = source.split(/(?=node_id=")/).slice(1);
  return schemas.map((schema) => ({
    id: /node_id="(\w+)"/.exec(schema)[1],
    title: /display_name="([^"]+)"/.exec(schema)[1],
    sockets: [...schema.matchAll(/put\(\s*(?:display_name=)?"(\w+)"/g)].map((found) => found[1]),
  }));
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
