/** The committed wiring pictures of small boards are those of their pages, and the pages name the pins that their code drives. */
import { expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { boardNames, drawBoard, wiringOf } from "./board-wiring.js";
import { projectFile } from "../published.js";

test.each(boardNames)("%s: picture, page and code agree", (board) => {
  expect(readFileSync(projectFile(`boards/espruino/wiring-${board}.svg`), "utf8")).toBe(drawBoard(board));
  const code = readFileSync(projectFile(`boards/espruino/${board}.ts`), "utf8");
  const { rows } = wiringOf(board);
  expect(rows.map(([name]) => name)).toEqual(expect.arrayContaining(["line", "relay", "passage", "lights", "sounder", "button"]));
  for (const name of ["relay", "passage"]) {
    const pin = new RegExp(`${name}: ([A-H]\\d+)`).exec(code)![1]!;
    expect(rows.find(([row]) => row === name)![1], name).toContain(pin);
  }
});
