/** The wiring page is true: the committed picture is drawn from today's pin table, and the README names what exists. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { drawWiring, pins } from "./wiring.js";
import { commands } from "../../boards/bench/commands.js";

const readme = readFileSync(new URL("../../boards/node/README.md", import.meta.url), "utf8");

test("boards/node/wiring.svg shows the present pins (npm run picture draws it anew)", () => {
  expect(readFileSync(new URL("../../boards/node/wiring.svg", import.meta.url), "utf8")).toBe(drawWiring());
});
test("a pin that moves moves in the picture; no two parts share one; none is a pin of the Arduino's own port", () => {
  expect(drawWiring({ ...pins, relay: 6 })).not.toBe(drawWiring());
  expect(new Set(Object.values(pins)).size).toBe(Object.keys(pins).length);
  for (const pin of Object.values(pins)) expect(pin).toBeGreaterThan(1);
});
test("each pin stands in the README's table with its number", () => {
  for (const [name, pin] of Object.entries(pins)) expect(readme).toMatch(new RegExp(`^\\| ${pin} \\| \`${name}\` \\|`, "m"));
});
test("the README's commands and files are there", () => {
  const names = commands.map((c) => c.name);
  for (const [, word] of readme.matchAll(/kaisatsu ([a-z-]+)/g)) expect(names).toContain(word);
  for (const [, file] of readme.matchAll(/\]\(([^)#]+)\)/g)) expect(existsSync(new URL(`../../boards/node/${file!}`, import.meta.url)), file).toBe(true);
  const scripts = (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { scripts: Record<string, string> }).scripts;
  for (const [, script] of readme.matchAll(/npm run ([a-z:]+)/g)) expect(Object.keys(scripts)).toContain(script);
});
