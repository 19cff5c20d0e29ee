/** The committed picture of a tap is the one that the code draws today. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { draw, listen } from "./picture.js";

test("protocol/tap.svg shows the present protocol (npm run picture draws it anew)", () => {
  expect(readFileSync(new URL("../../protocol/tap.svg", import.meta.url), "utf8")).toBe(draw(listen()));
});
