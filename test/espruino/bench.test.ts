/** The estimate of a tap's time and memory, as `npm run bench:espruino` prints it, holds what the board must hold. */
import { expect, test } from "vitest";
import { measure } from "./bench.js";

test("a tap on a Xiao BLE: no frame above 512 bytes, and it fits two thirds of its memory and the time that a handset waits", { timeout: 20_000 }, async () => {
  const x = await measure("xiao-ble");
  const steady = x.blocks.code + x.blocks.state;
  expect(x.longestMessage).toBeLessThanOrEqual(512);
  expect(steady + x.blocks.made).toBeLessThan((x.variables * 2) / 3);
  for (const phase of ["hello", "presentation to answer", "acknowledgement to open"]) expect(x.milliseconds[phase]).toBeGreaterThan(1);
  // Between two events of its engine: the watchdog and a handset that waits two seconds for an answer.
  expect(x.longest).toBeLessThan(1000);
});
